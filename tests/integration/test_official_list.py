"""The integration list of TensorFlow Serving's own test program (tensorflow_model_server_test), as our own test: 28 rows, each test
named by its row. The client is the stock tensorflow-serving-api; servers are started as that program starts them."""
import contextlib
import importlib.util
import json
import pathlib
import subprocess
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
from baton_server import BINARY, free_port, wait_until
from official_models import models
from tensorflow.core.framework import types_pb2
from tensorflow.python.profiler import profiler_client
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

MODEL, DEFAULT_SIGNATURE, VERSION = "default", "serving_default", 123
DEADLINE_SECONDS = 5
REGRESS, CLASSIFY = "tensorflow/serving/regress", "tensorflow/serving/classify"


class Server:
    """One tensorflow_model_server with the flags of the official program, so_reuseaddr last; `socket` is shared by all of them."""

    def __init__(self, socket: pathlib.Path, *flags: str, channel_arguments: str = ""):
        self.port, self.rest_port = free_port(), free_port()
        self.log_path = socket.parent / f"server-{self.port}.log"
        self.command = [
            str(BINARY.parent / "tensorflow_model_server"), f"--port={self.port}", f"--rest_api_port={self.rest_port}",
            "--rest_api_timeout_in_ms=5000", f"--grpc_socket_path={socket}", *flags,
            f"--grpc_channel_arguments={channel_arguments and channel_arguments + ','}grpc.so_reuseaddr=1"]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def wait_ready(self) -> "Server":
        """It is ready once it says of a model that is not there that it is no servable."""
        def is_ready() -> bool:
            assert self.process.poll() is None, f"status {self.process.returncode}: {self.log()}"
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "intentionally_missing_model"
            try:
                self.predictions.Predict(request, timeout=DEADLINE_SECONDS)
            except grpc.RpcError as error:
                return "Servable" in error.details()
            return False

        wait_until(is_ready, f"{self.command} answers", timeout=60, interval=0.1)
        return self

    def rest(self, path: str, body: dict | None = None) -> bytes:
        """As the official program asks: again and again, any HTTP error being a failure of this attempt."""
        url = f"http://127.0.0.1:{self.rest_port}{path}"
        data = None if body is None else json.dumps(body).encode()
        for attempts_left in reversed(range(60)):
            try:
                with urllib.request.urlopen(url, data, timeout=10) as answer:
                    return answer.read()
            except (urllib.error.URLError, ConnectionError) as error:
                if not attempts_left:
                    said = error.read() if isinstance(error, urllib.error.HTTPError) else b""
                    raise AssertionError(f"{url}: {error} {said}") from error
                time.sleep(0.05)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-6000:]

    def stop(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def made() -> pathlib.Path:
    return models()


@pytest.fixture(scope="session")
def socket_folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("official")


@pytest.fixture(scope="session")
def serve(baton_binary, socket_folder):
    """serve(*flags): the server of these flags. It lives until the session ends, beside all others."""
    servers: dict[tuple, Server] = {}

    def started(*flags: str, channel_arguments: str = "") -> Server:
        key = (*flags, channel_arguments)
        if key not in servers:
            servers[key] = Server(socket_folder / "tf-serving.sock", *flags, channel_arguments=channel_arguments)
        return servers[key].wait_ready()

    yield started
    for server in servers.values():
        server.stop()


@pytest.fixture
def serve_model(serve, made):
    def started(name: str, *flags: str, **options) -> Server:
        return serve(f"--model_name={MODEL}", f"--model_base_path={made / name}", *flags, **options)

    return started


@pytest.fixture
def server(serve_model) -> Server:
    """The one most rows ask."""
    return serve_model("half_plus_two")


@pytest.fixture(params=["half_plus_two", "half_plus_two_tf2"], ids=["classic", "tf2"])
def either_style(request, serve_model) -> Server:
    return serve_model(request.param)


def check_spec(spec, signature: str, name: str = MODEL) -> None:
    assert (spec.name, spec.signature_name, spec.version.value) == (name, signature, VERSION)


def check_predict(server: Server, expected: float, *, model: str = MODEL, signature: str = DEFAULT_SIGNATURE, shape=(1,),
                  output_filter: bool = True, channel: grpc.Channel | None = None, timeout: float = DEADLINE_SECONDS) -> None:
    """The official program's standard check of a Predict call."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    x = request.inputs["x"]
    x.dtype = types_pb2.DT_FLOAT
    for size in shape:
        x.tensor_shape.dim.add(size=size)
    x.float_val.append(2.0)
    if output_filter:
        request.output_filter.append("y")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel) if channel else server.predictions
    answer = stub.Predict(request, timeout=timeout)
    assert "y" in answer.outputs
    assert answer.outputs["y"].dtype == types_pb2.DT_FLOAT
    assert list(answer.outputs["y"].float_val) == [expected]
    check_spec(answer.model_spec, signature, model)


def example(of) -> None:
    """Fills an Input with one Example: x = 2."""
    of.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)


def config(*names: str, made: pathlib.Path) -> str:
    return "model_config_list: {" + "".join(
        f' config: {{ name: "{name}", base_path: "{made / name}", model_platform: "tensorflow" }}' for name in names) + "}"


def refused(server: Server, model: str) -> bool:
    """Whether there is no such model; with one, the call fails for want of its input."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    with pytest.raises(grpc.RpcError) as error:
        server.predictions.Predict(request, timeout=DEADLINE_SECONDS)
    return error.value.code() == grpc.StatusCode.NOT_FOUND


# ------------------------------------------------------------------------------------------------------------- gRPC


def test_row_01_get_model_status(server):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL
    answer = server.models.GetModelStatus(request, timeout=DEADLINE_SECONDS)
    assert [(status.version, status.status.error_code) for status in answer.model_version_status] == [(VERSION, 0)]


def test_row_02_get_model_metadata(server):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = MODEL
    answer = server.predictions.GetModelMetadata(request, timeout=DEADLINE_SECONDS)
    assert (answer.model_spec.name, answer.model_spec.version.value) == (MODEL, VERSION)
    assert list(answer.metadata) == ["signature_def"]


def test_row_03_classify(either_style):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, "classify_x_to_y"
    example(request.input)
    answer = either_style.predictions.Classify(request, timeout=DEADLINE_SECONDS)
    assert [[one.score for one in classes.classes] for classes in answer.result.classifications] == [[3.0]]
    check_spec(answer.model_spec, "classify_x_to_y")


def test_row_04_regress(either_style):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, "regress_x_to_y"
    example(request.input)
    answer = either_style.predictions.Regress(request, timeout=DEADLINE_SECONDS)
    assert [one.value for one in answer.result.regressions] == [3.0]
    check_spec(answer.model_spec, "regress_x_to_y")


def test_row_05_multi_inference(either_style):
    request = inference_pb2.MultiInferenceRequest()
    example(request.input)
    for signature, method in (("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY)):
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = MODEL, signature
    answer = either_style.predictions.MultiInference(request, timeout=DEADLINE_SECONDS)
    regressed, classified = answer.results
    assert [one.value for one in regressed.regression_result.regressions] == [3.0]
    check_spec(regressed.model_spec, "regress_x_to_y")
    assert [[one.score for one in classes.classes] for classes in classified.classification_result.classifications] == [[3.0]]
    check_spec(classified.model_spec, "classify_x_to_y")


@pytest.mark.parametrize("output_filter", [True, False], ids=["filtered", "unfiltered"])
def test_row_06_predict_saved_model(server, output_filter):
    check_predict(server, 3.0, output_filter=output_filter)


def test_row_07_bad_model(serve_model, socket_folder, made):
    """The official program skips this row, which expects FAILED_PRECONDITION of a server that never opens its port. What users see
    is this: start-up fails with the loader's words."""
    server = Server(socket_folder / "tf-serving.sock", f"--model_name={MODEL}", f"--model_base_path={made}/bad_half_plus_two",
                    "--max_num_load_retries=0")
    try:
        assert server.process.wait(60) == 255
        assert "Session Bundle is deprecated and removed." in server.log()
        assert not server.log().count("Running gRPC ModelServer at")
    finally:
        server.stop()


@pytest.fixture
def good_config(serve, socket_folder, made) -> Server:
    file = socket_folder / "good_model_config.txt"
    file.write_text(config("half_plus_two", "half_plus_three", made=made))
    return serve(f"--model_config_file={file}")


@pytest.mark.parametrize("output_filter", [True, False], ids=["filtered", "unfiltered"])
@pytest.mark.parametrize("model,expected", [("half_plus_two", 3.0), ("half_plus_three", 4.0)])
def test_row_08_good_model_config(good_config, model, expected, output_filter):
    check_predict(good_config, expected, model=model, output_filter=output_filter)


def test_row_09_bad_model_config(baton_binary, tmp_path):
    (tmp_path / "bad.txt").write_text("improperly formatted file\n")
    server = [str(BINARY.parent / "tensorflow_model_server"), f"--port={free_port()}", f"--rest_api_port={free_port()}",
              f"--grpc_socket_path={tmp_path}/tf-serving.sock", f"--model_config_file={tmp_path}/bad.txt"]
    ended = subprocess.run(server, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in ended.stderr
    assert ended.returncode != 0


def start_reloading(serve, made, file: pathlib.Path, period: int) -> Server:
    file.write_text(config("half_plus_two", made=made))
    server = serve(f"--model_config_file={file}", f"--model_config_file_poll_wait_seconds={period}")
    check_predict(server, 3.0, model="half_plus_two")
    return server


def swap_config(made: pathlib.Path, file: pathlib.Path) -> None:
    aside = file.with_suffix(".new")
    aside.write_text(config("half_plus_three", made=made))
    aside.rename(file)


def test_row_10_model_config_reload(serve, made, tmp_path):
    server = start_reloading(serve, made, tmp_path / "models.config", 1)
    swap_config(made, tmp_path / "models.config")
    wait_until(lambda: not refused(server, "half_plus_three"), "the new model is there", timeout=10, interval=0.1)
    check_predict(server, 4.0, model="half_plus_three")


def test_row_11_model_config_reload_with_zero_poll_period(serve, made, tmp_path):
    """How long is long enough not to see a reload? As long as another server takes for one."""
    server = start_reloading(serve, made, tmp_path / "models.config", 0)
    witness = start_reloading(serve, made, tmp_path / "witness.config", 1)
    for file in ("models.config", "witness.config"):
        swap_config(made, tmp_path / file)
    wait_until(lambda: refused(witness, "half_plus_two"), "the other server has let go of the old model", timeout=20, interval=0.1)
    check_predict(server, 3.0, model="half_plus_two")
    assert refused(server, "half_plus_three")


def test_row_12_good_grpc_channel_arguments(serve_model):
    server = serve_model("half_plus_two", channel_arguments="grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb")
    check_predict(server, 3.0)


# ------------------------------------------------------------------------------------------------------------- REST


def test_row_13_classify_rest(server):
    answer = server.rest(f"/v1/models/{MODEL}:classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]})
    assert json.loads(answer) == {"results": [[["", 3.0]]]}


def test_row_14_regress_rest(server):
    answer = server.rest(f"/v1/models/{MODEL}:regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]})
    assert json.loads(answer) == {"results": [3.0]}


def test_row_15_predict_rest(server):
    answer = server.rest(f"/v1/models/{MODEL}:predict", {"instances": [2.0, 3.0, 4.0]})
    assert json.loads(answer) == {"predictions": [3.0, 3.5, 4.0]}


def test_row_16_predict_columnar_rest(server):
    answer = server.rest(f"/v1/models/{MODEL}:predict", {"inputs": [2.0, 3.0, 4.0]})
    assert json.loads(answer) == {"outputs": [3.0, 3.5, 4.0]}


def test_row_17_get_status_rest(server):
    assert json.loads(server.rest(f"/v1/models/{MODEL}")) == {"model_version_status": [
        {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}


def tensor_json(name: str, dtype: str, dims: list[str]) -> dict:
    """How the metadata of a model shows a tensor."""
    shape = {"dim": [{"size": size, "name": ""} for size in dims], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": name}


def signature_json(method: str, input_name: str, input_tensor: dict, output_name: str, output: str) -> dict:
    return {"inputs": {input_name: input_tensor}, "outputs": {output_name: tensor_json(output, "DT_FLOAT", ["-1", "1"])},
            "method_name": f"tensorflow/serving/{method}", "defaults": {}}


def test_row_18_get_model_metadata_rest(server):
    text = tensor_json("tf_example:0", "DT_STRING", ["-1"])
    x, x2 = (tensor_json(f"{name}:0", "DT_FLOAT", ["-1", "1"]) for name in ("x", "x2"))
    assert json.loads(server.rest(f"/v1/models/{MODEL}/metadata")) == {
        "model_spec": {"name": MODEL, "signature_name": "", "version": "123"},
        "metadata": {"signature_def": {"signature_def": {
            "serving_default": signature_json("predict", "x", x, "y", "y:0"),
            "regress_x_to_y": signature_json("regress", "inputs", text, "outputs", "y:0"),
            "regress_x_to_y2": signature_json("regress", "inputs", text, "outputs", "y2:0"),
            "regress_x2_to_y3": signature_json("regress", "inputs", x2, "outputs", "y3:0"),
            "classify_x_to_y": signature_json("classify", "inputs", text, "scores", "y:0"),
        }}}}


def test_row_19_prometheus_endpoint(serve_model, socket_folder):
    file = socket_folder / "monitoring_config.txt"
    file.write_text("prometheus_config { enable: true }\n")
    server = serve_model("half_plus_two", f"--monitoring_config_file={file}")
    assert b"# TYPE" in server.rest("/monitoring/prometheus/metrics")


# ---------------------------------------------------------------------------------------------- other ways, other models


def test_row_20_predict_over_a_unix_socket(server, serve_model, socket_folder):
    """The newest server has taken the socket over from the ones before, which live on."""
    newest = serve_model("half_plus_two", "--file_system_poll_wait_seconds=2")
    with grpc.insecure_channel(f"unix:{socket_folder}/tf-serving.sock") as channel:
        check_predict(newest, 3.0, channel=channel)
    check_predict(server, 3.0)


def test_row_21_predict_on_tflite(serve_model):
    check_predict(serve_model("lite", "--prefer_tflite_model=true"), 3.0)


def test_row_22_predict_with_signature_def_on_tflite(serve_model):
    check_predict(serve_model("lite_signatures", "--prefer_tflite_model=true"), 3.0)


def test_row_22_predict_on_the_work_of_todays_tflite_converter(serve_model):
    """TensorFlow Serving does not see the converter's own table of signatures: the names are those of the tensors."""
    server = serve_model("lite_converted", "--prefer_tflite_model=true")
    metadata = json.loads(server.rest(f"/v1/models/{MODEL}/metadata"))["metadata"]["signature_def"]["signature_def"]
    (name,) = metadata[DEFAULT_SIGNATURE]["inputs"]
    answer = json.loads(server.rest(f"/v1/models/{MODEL}:predict", {"inputs": {name: [2.0]}}))
    assert answer == {"outputs": [3.0]}


def test_row_23_tf_saved_model_save(serve_model):
    check_predict(serve_model("function"), 12.0)


@pytest.mark.parametrize("signature,expected", [("custom_signature_key", 2.0), (DEFAULT_SIGNATURE, 1.0)])
def test_row_24_tf_saved_model_save_multiple_signatures(serve_model, signature, expected):
    check_predict(serve_model("several_signatures"), expected, signature=signature)


def test_row_25_sequential_keras_saved_model_save(serve_model):
    check_predict(serve_model("keras"), 2.0, shape=(1, 1))


def test_row_26_distrat_sequential_keras_saved_model_save(serve_model):
    check_predict(serve_model("keras_mirrored"), 2.0, shape=(1, 1))


@contextlib.contextmanager
def predictions_go_on(server: Server):
    """REST predictions, one after the other, while the block runs; none may fail."""
    enough, failures = threading.Event(), []

    def ask() -> None:
        while not enough.is_set() and not failures:
            try:
                assert json.loads(server.rest(f"/v1/models/{MODEL}:predict", {"instances": [2.0]})) == {"predictions": [3.0]}
            except AssertionError as error:
                failures.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield
    finally:
        enough.set()
        asker.join()
    assert not failures


def test_row_27_profiler_service_with_valid_trace_request(server, tmp_path):
    with predictions_go_on(server):
        profiler_client.trace(f"127.0.0.1:{server.port}", str(tmp_path), duration_ms=1000, worker_list="", num_tracing_attempts=10)
    traces = list(tmp_path.rglob("*.xplane.pb"))
    assert traces and all(trace.stat().st_size for trace in traces)


def test_row_28_tf_text(serve, made):
    package = pathlib.Path(importlib.util.find_spec("tensorflow_text").origin).parent  # not imported: that would load them here
    libraries = ",".join(sorted(str(library) for library in package.rglob("_*.so")))
    server = serve(f"--model_name={MODEL}", f"--model_base_path={made / 'text'}", f"--custom_op_libraries={libraries}")
    check_predict(server, 3.0, timeout=600)
