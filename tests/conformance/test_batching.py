"""Replays what a real server answered with --enable_batching (observed/batching.json), and per-model parameters."""
import json
import shutil

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from base_server import MODELS, start_base_server
from baton_server import BatonServer
from recorded import OBSERVED

RECORDED = json.loads((OBSERVED / "batching.json").read_text())
PARAMETERS = """max_batch_size { value: 4 } batch_timeout_micros { value: 1000 } max_enqueued_batches { value: 2 }
num_batch_threads { value: 1 } allowed_batch_sizes: 2 allowed_batch_sizes: 4"""
DEADLINE_SECONDS = 30
# gRPC's own refusal, of a server with a thread for each call.
NOT_OURS = {"RESOURCE_EXHAUSTED: Server Threadpool Exhausted"}


@pytest.fixture(scope="module")
def server(baton_binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batching")
    (folder / "batching.txt").write_text(PARAMETERS)
    with start_base_server(folder, "--enable_batching", f"--batching_parameters_file={folder / 'batching.txt'}") as started:
        yield started


def answers(server, request: predict_pb2.PredictRequest, count: int) -> list[str]:
    """In the record's form, of `count` equal requests at once."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        calls = [stub.Predict.future(request, timeout=DEADLINE_SECONDS) for _ in range(count)]
        found = []
        for call in calls:
            if (error := call.exception()) is not None:
                found.append(f"{error.code().name}: {error.details()}")
            else:
                found.append("OK " + text_format.MessageToString(call.result(), as_one_line=True))
    return found


def request_of(case: dict) -> predict_pb2.PredictRequest:
    return text_format.Parse(case["request"], predict_pb2.PredictRequest())


@pytest.mark.parametrize("name", [n for n in RECORDED if n not in ("flood", "zero", "fails")])
def test_answers_as_recorded(server, name):
    case = RECORDED[name]
    for ours in answers(server, request_of(case), case["n"]):
        assert any(ours.startswith(theirs) for theirs in case["answers"]), ours


def test_every_request_of_a_failing_batch_gets_the_graphs_error(server):
    case = RECORDED["fails"]
    found = answers(server, request_of(case), case["n"])
    assert set(found) <= set(case["answers"])


def test_a_flood_is_answered_or_refused_as_recorded(server):
    case = RECORDED["flood"]
    theirs = [a for a in case["answers"] if a not in NOT_OURS]
    found = answers(server, request_of(case), 400)
    for ours in set(found):
        assert any(ours.startswith(answer) for answer in theirs), ours
    assert any(ours.startswith("OK") for ours in found)


def test_a_request_without_rows_is_answered(server):
    """The real server dies of it (contract 6.3)."""
    (ours,) = answers(server, request_of(RECORDED["zero"]), 1)
    assert ours.startswith('OK outputs { key: "y" value { dtype: DT_FLOAT tensor_shape { dim { } } } }'), ours
    assert answers(server, request_of(RECORDED["three"]), 1)[0].startswith("OK")


def predict_rows(model: str, rows: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add().size = rows
    request.inputs["x"].float_val.extend(range(rows))
    return request


def test_per_model_parameters_replace_the_global_ones(tmp_path, baton_binary):
    """Contract 6.5: with a file the version's own limits hold, without one it is not batched at all."""
    config = "model_config_list {"
    for name, parameters in (("small", "max_batch_size { value: 2 }"), ("unbatched", None)):
        shutil.copytree(MODELS / "half_plus_two", tmp_path / name)
        if parameters:
            (tmp_path / name / "123" / "batching_params.pbtxt").write_text(parameters)
        config += f'config {{ name: "{name}" base_path: "{tmp_path / name}" model_platform: "tensorflow" }}'
    (tmp_path / "models.config").write_text(config + "}")
    (tmp_path / "batching.txt").write_text("max_batch_size { value: 3 }")
    with BatonServer(f"--model_config_file={tmp_path / 'models.config'}", "--enable_batching",
                     f"--batching_parameters_file={tmp_path / 'batching.txt'}",
                     "--enable_per_model_batching_parameters") as server:
        assert answers(server, predict_rows("small", 3), 1) == [
            "INVALID_ARGUMENT: Task size 3 is larger than maximum input batch size 2"]
        assert answers(server, predict_rows("small", 2), 1)[0].startswith("OK")
        assert answers(server, predict_rows("unbatched", 5), 1)[0].startswith("OK")


def test_unreadable_per_model_parameters_fail_the_load(tmp_path, baton_binary):
    shutil.copytree(MODELS / "half_plus_two", tmp_path / "m")
    (tmp_path / "m" / "123" / "batching_params.pbtxt").write_text("garbage")
    server = BatonServer("--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--enable_batching",
                         "--enable_per_model_batching_parameters", "--max_num_load_retries=0")
    server.launch()
    assert server.process.wait(30) == 255
    assert "Invalid protobuf file: '" in server.log_text()
