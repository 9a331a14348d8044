"""SessionService: off as in the real server, and with --enable_session_service a run by names over what signatures declare."""
import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import session_service_pb2

from baton_server import ROOT, BatonServer

MODEL = ROOT / "tests/conformance/observed/models/half_plus_two"
FLAGS = ["--model_name=half_plus_two", f"--model_base_path={MODEL}"]
FEED = 'feed { name: "x:0" tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: 1 float_val: 2 } }'


@pytest.fixture(scope="module")
def server():
    with BatonServer(*FLAGS, "--enable_session_service") as started:
        yield started


def run(server, text: str):
    request = text_format.Parse(text, session_service_pb2.SessionRunRequest())
    request.model_spec.name = "half_plus_two"
    with grpc.insecure_channel(server.grpc_address) as channel:
        # The package has the messages, but no stub.
        method = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun",
                                     request_serializer=session_service_pb2.SessionRunRequest.SerializeToString,
                                     response_deserializer=session_service_pb2.SessionRunResponse.FromString)
        return method(request, timeout=10)


def refusal(server, text: str):
    with pytest.raises(grpc.RpcError) as error:
        run(server, text)
    return error.value.code(), error.value.details()


def test_is_not_served_unless_asked_for():
    with BatonServer(*FLAGS) as plain:
        assert refusal(plain, FEED + ' fetch: "y:0"')[0] == grpc.StatusCode.UNIMPLEMENTED


def test_runs_by_names_of_the_graph(server):
    answer = run(server, FEED + ' fetch: "y:0" fetch: "y" options { timeout_in_ms: 5000 }')
    assert [(t.name, list(t.tensor.float_val)) for t in answer.tensor] == [("y:0", [2.5, 3.0]), ("y", [2.5, 3.0])]
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("half_plus_two", 123)


def test_runs_by_aliases(server):
    answer = run(server, FEED.replace("x:0", "x") + ' fetch: "y" tensor_name_is_alias: true')
    assert list(answer.tensor[0].tensor.float_val) == [2.5, 3.0]


@pytest.mark.parametrize("text,code,details", [
    ('fetch: "a/read:0"', "INVALID_ARGUMENT", '"a/read:0" is no output that a signature of the model declares'),
    ('feed { name: "a:0" } fetch: "y:0"', "INVALID_ARGUMENT", '"a:0" is no input that a signature of the model declares'),
    (FEED, "INVALID_ARGUMENT", "SessionRun without a fetch"),
    (FEED + ' fetch: "y:0" target: "init"', "UNIMPLEMENTED", "SessionRun with targets is not served"),
    (FEED + ' fetch: "y:0" options { trace_level: FULL_TRACE }', "UNIMPLEMENTED", "SessionRun with a trace is not served"),
    ('fetch: "y" tensor_name_is_alias: true model_spec { signature_name: "no" }', "FAILED_PRECONDITION",
     'Serving signature key "no" not found.'),
])
def test_refuses_what_is_out_of_reach(server, text, code, details):
    found_code, found_details = refusal(server, text)
    assert found_code.name == code
    assert found_details.startswith(details)
