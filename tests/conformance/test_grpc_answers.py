"""Replays the recorded gRPC questions with the stock tensorflow-serving-api client: code, details and response."""
import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from base_server import MODELS, base_config, start_base_server
from recorded import Exemption, load_answers

ROWS = load_answers("grpc")
DEADLINE_SECONDS = 30
RELOAD = "HandleReloadConfigRequest"
BROKEN_RELOAD = "grpc/reload/with_broken"
MESSAGES = {
    "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
    "Classify": (classification_pb2.ClassificationRequest, classification_pb2.ClassificationResponse),
    "Regress": (regression_pb2.RegressionRequest, regression_pb2.RegressionResponse),
    "MultiInference": (inference_pb2.MultiInferenceRequest, inference_pb2.MultiInferenceResponse),
    "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, get_model_metadata_pb2.GetModelMetadataResponse),
    "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusResponse),
    RELOAD: (model_management_pb2.ReloadConfigRequest, model_management_pb2.ReloadConfigResponse),
}
MODEL_SERVICE = {"GetModelStatus", RELOAD}


def ask(address: str, rpc: str, request) -> dict:
    """An answer in the record's form: code and details, or code and the response message."""
    with grpc.insecure_channel(address) as channel:
        service = model_service_pb2_grpc.ModelServiceStub if rpc in MODEL_SERVICE else \
            prediction_service_pb2_grpc.PredictionServiceStub
        try:
            return {"code": "OK", "response": getattr(service(channel), rpc)(request, timeout=DEADLINE_SECONDS)}
        except grpc.RpcError as error:
            return {"code": error.code().name, "details": error.details()}


def reload_request(config: str):
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(config, request.config)
    return request


def canonical(message) -> str:
    """Text with maps in key order, Any expanded and floats in their shortest form; equal text is an equal message."""
    return text_format.MessageToString(message)


@pytest.fixture(scope="module")
def server_with_broken(baton_binary, tmp_path_factory):
    """The base configuration plus the model `broken`, as the record's server was when it was asked all but the reloads.
    The answer to the reload that added it is kept as `broken_answer`."""
    with start_base_server(tmp_path_factory.mktemp("grpc")) as server:
        server.broken_answer = ask(server.grpc_address, RELOAD, reload_request(base_config("broken")))
        yield server


@pytest.fixture
def fresh_server(baton_binary, tmp_path):
    """A reload that fails may leave a server that refuses every later one, so each reload question has its own."""
    with start_base_server(tmp_path) as server:
        yield server


def answer_to(case: dict, request_fixture) -> dict:
    if case["id"] == BROKEN_RELOAD:
        return request_fixture.getfixturevalue("server_with_broken").broken_answer
    server = request_fixture.getfixturevalue("fresh_server" if case["rpc"] == RELOAD else "server_with_broken")
    text = case["request"].replace("@MODELS@", str(MODELS))
    return ask(server.grpc_address, case["rpc"], text_format.Parse(text, MESSAGES[case["rpc"]][0]()))


@pytest.mark.parametrize("row", ROWS, ids=[row["case"]["id"] for row in ROWS])
def test_answers_as_recorded(request, row):
    case = row["case"]
    exemption = Exemption.of("answers", case["id"])
    if exemption.skip:
        pytest.skip(exemption.skip)
    recorded = row["answer"] | (exemption.expect or {})

    ours = answer_to(case, request)

    assert (ours["code"], ours.get("details")) == (recorded["code"], recorded.get("details"))
    if recorded["code"] == "OK":
        expected = text_format.Parse(recorded["response"], MESSAGES[case["rpc"]][1]())
        assert canonical(ours["response"]) == canonical(expected)
