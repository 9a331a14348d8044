"""Request logs: what is in them, when they begin and end, and that they are warm-up files."""
import pathlib
import shutil
import subprocess

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    prediction_log_pb2,
    regression_pb2,
    session_service_pb2,
)

from baton_server import BatonServer, wait_until
from stock_client import StockClient, half


def config(base_path, logging: str = "", name: str = "half") -> str:
    return (f'model_config_list {{ config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" '
            f'{logging} }} }}')


def logging_to(prefix, rate: float = 1, kind: str = "tfrecord") -> str:
    return (f'logging_config {{ log_collector_config {{ type: "{kind}" filename_prefix: "{prefix}" }} '
            f'sampling_config {{ sampling_rate: {rate} }} }}')


@pytest.fixture
def prefix(tmp_path) -> pathlib.Path:
    return tmp_path / "logs/half"


@pytest.fixture
def base(models_dir) -> pathlib.Path:
    return models_dir / "half_plus_two"


@pytest.fixture
def server_with(tmp_path, baton_binary):
    def make(text: str, *flags: str) -> BatonServer:
        path = tmp_path / "models.config"
        path.write_text(text)
        return BatonServer(f"--model_config_file={path}", "--max_num_load_retries=0", *flags)

    return make


def files(prefix: pathlib.Path) -> list[pathlib.Path]:
    return sorted(prefix.parent.glob(prefix.name + "-*"))


def records(prefix: pathlib.Path) -> list[prediction_log_pb2.PredictionLog]:
    """Everything logged under a prefix; complete records only, which TensorFlow's own reader checks."""
    paths = [str(path) for path in files(prefix)]
    return [prediction_log_pb2.PredictionLog.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(paths)]


def wait_for_records(prefix: pathlib.Path, count: int) -> list[prediction_log_pb2.PredictionLog]:
    def enough():
        try:
            found = records(prefix)
        except tf.errors.DataLossError:  # read while the last one was being written
            return None
        return found if len(found) >= count else None

    found = wait_until(enough, f"{count} records under {prefix}")
    assert len(found) == count
    return found


def counted(server: BatonServer, outcome: str) -> int:
    line = f'baton_request_log_records_total{{outcome="{outcome}"}} '
    page = server.get("/metrics")[2].decode()
    return int(next(row for row in page.splitlines() if row.startswith(line)).split()[-1])


def example_input(request) -> None:
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2)


def ask_everything(server: BatonServer, client: StockClient) -> dict[str, tuple]:
    """One question of each kind; request and answer by the name of its log."""
    asked = {}
    answer = client.predict("half", {"x": [2.0, 4.0]}, output_filter=["y"])
    asked["predict_log"] = (None, answer)
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "half", "classify_x_to_y"
    example_input(request)
    asked["classify_log"] = (request, client.predictions.Classify(request, timeout=10))
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "half", "regress_x_to_y"
    example_input(request)
    asked["regress_log"] = (request, client.predictions.Regress(request, timeout=10))
    request = inference_pb2.MultiInferenceRequest()
    for method, signature in (("classify", "classify_x_to_y"), ("regress", "regress_x_to_y")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "half", signature
    example_input(request)
    asked["multi_inference_log"] = (request, client.predictions.MultiInference(request, timeout=10))
    return asked


def test_holds_every_call_as_it_went_over_the_wire(server_with, base, prefix):
    with server_with(config(base, logging_to(prefix))) as server, StockClient(server.grpc_address) as client:
        asked = ask_everything(server, client)
        logs = wait_for_records(prefix, len(asked))
        assert [log.WhichOneof("log_type") for log in logs] == list(asked)
        for log, (name, (request, answer)) in zip(logs, asked.items()):
            logged = getattr(log, name)
            assert logged.response == answer
            if request is not None:
                assert logged.request == request
        predict = logs[0].predict_log.request
        assert tf.make_ndarray(predict.inputs["x"]).tolist() == [2.0, 4.0]
        assert list(predict.output_filter) == ["y"]
        signatures = [log.log_metadata.model_spec.signature_name for log in logs]
        assert signatures == ["serving_default", "classify_x_to_y", "regress_x_to_y", "classify_x_to_y"]
        for log in logs:
            metadata = log.log_metadata
            assert (metadata.model_spec.name, metadata.model_spec.version.value) == ("half", 123)
            assert metadata.sampling_config.sampling_rate == 1
            assert list(metadata.saved_model_tags) == ["serve"]
            assert abs(metadata.timestamp_secs - tf.timestamp().numpy()) < 60


def test_holds_rest_calls_as_the_protobufs_that_ask_the_same(server_with, base, prefix):
    with server_with(config(base, logging_to(prefix))) as server:
        examples = '{"signature_name": "%s", "context": {"x": 1.0}, "examples": [{"x": 2.0}, {"x": 4.0}]}'
        for path, body in (("predict", '{"instances": [2.0, 4.0]}'), ("classify", examples % "classify_x_to_y"),
                           ("regress", examples % "regress_x_to_y")):
            assert server.post(f"/v1/models/half:{path}", body)[0] == 200
        assert server.post("/v1/models/half:predict", '{"instances": ["text"]}')[0] == 400
        predict, classify, regress = wait_for_records(prefix, 3)
        assert tf.make_ndarray(predict.predict_log.request.inputs["x"]).tolist() == [2.0, 4.0]
        assert tf.make_ndarray(predict.predict_log.response.outputs["y"]).tolist() == [3.0, 4.0]
        assert predict.predict_log.request.model_spec.name == "half"
        request, result = classify.classify_log.request, classify.classify_log.response.result
        assert request.model_spec.signature_name == "classify_x_to_y"
        values = [list(e.features.feature["x"].float_list.value) for e in request.input.example_list.examples]
        assert values == [[2.0], [4.0]]
        assert [row.classes[0].score for row in result.classifications] == [3.0, 4.0]
        assert [row.value for row in regress.regress_log.response.result.regressions] == [3.0, 4.0]


def test_holds_session_runs(server_with, base, prefix):
    with server_with(config(base, logging_to(prefix)), "--enable_session_service") as server, \
            grpc.insecure_channel(server.grpc_address) as channel:
        request = session_service_pb2.SessionRunRequest(fetch=["y:0"])
        request.model_spec.name = "half"
        request.feed.add(name="x:0", tensor=tf.make_tensor_proto([2.0]))
        method = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun",
                                     request_serializer=session_service_pb2.SessionRunRequest.SerializeToString,
                                     response_deserializer=session_service_pb2.SessionRunResponse.FromString)
        answer = method(request, timeout=10)
        (log,) = wait_for_records(prefix, 1)
        assert log.session_run_log.request == request
        assert log.session_run_log.response == answer


def test_is_a_warm_up_file(server_with, models_dir, prefix, tmp_path):
    base = tmp_path / "copy"
    shutil.copytree(models_dir / "half_plus_two", base)
    server = server_with(config(base, logging_to(prefix)))
    with server, StockClient(server.grpc_address) as client:
        ask_everything(server, client)
        assert server.post("/v1/models/half:predict", '{"instances": [2.0]}')[0] == 200
        wait_for_records(prefix, 5)
        assert server.terminate() == 0
    (log,) = files(prefix)
    assert log.suffix == ".tfrecord", "the end of the server completes the file"
    (base / "123/assets.extra").mkdir(exist_ok=True)
    shutil.copy(log, base / "123/assets.extra/tf_serving_warmup_requests")
    with server_with(config(base)) as server:
        assert "Number of warmup records read: 5." in server.log_text()


def test_follows_the_configuration(server_with, base, prefix, tmp_path):
    other = tmp_path / "more/other"
    root = f"--request_log_root={tmp_path}"
    with server_with(config(base, logging_to(prefix)), root) as server, StockClient(server.grpc_address) as client:
        client.predict("half", {"x": [1.0]})
        wait_for_records(prefix, 1)
        client.reload(config(base, logging_to(other)))
        wait_until(lambda: files(prefix)[0].suffix == ".tfrecord", "the file of the old prefix is complete")
        client.predict("half", {"x": [2.0]})
        wait_for_records(other, 1)
        client.reload(config(base, logging_to(other, rate=0)))
        client.predict("half", {"x": [3.0]})
        client.reload(config(base))
        client.predict("half", {"x": [4.0]})
        wait_until(lambda: files(other)[0].suffix == ".tfrecord", "the last file is complete")
        assert len(records(prefix)) == len(records(other)) == 1


@pytest.mark.parametrize("root", [[], ["--request_log_root={tmp}/logs"]])
def test_a_reload_does_not_choose_where_the_server_writes(server_with, base, tmp_path, root):
    (tmp_path / "logs").mkdir()
    flags = [flag.format(tmp=tmp_path) for flag in root]
    with server_with(config(base), *flags) as server, StockClient(server.grpc_address) as client:
        for place in (tmp_path / "elsewhere/x", tmp_path / "logs/../elsewhere/x", str(tmp_path / "logs") + "2/x"):
            with pytest.raises(grpc.RpcError) as error:
                client.reload(config(base, logging_to(place)))
            assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
            assert "--request_log_root" in error.value.details()
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["logs"]
        assert half(client.predict("half", {"x": [1.0]})) == 2.5


def test_a_reload_that_cannot_log_fails_after_its_models_serve(server_with, base, models_dir, prefix):
    with server_with(config(base, logging_to(prefix))) as server, StockClient(server.grpc_address) as client:
        text = config(models_dir / "half_plus_three", logging_to(prefix, kind="kafka"), name="three")
        with pytest.raises(grpc.RpcError) as error:
            client.reload(text)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        assert error.value.details() == "Cannot find LogCollector::Factory for type: kafka"
        assert half(client.predict("three", {"x": [1.0]})) == 3.5
        assert not files(prefix)


def test_a_start_that_cannot_log_fails(server_with, base, prefix, tmp_path):
    server = server_with(config(base, logging_to(prefix, kind="kafka"))).launch()
    assert server.wait_end() == 255
    assert ("Failed to start server. Error: NOT_FOUND: Cannot find LogCollector::Factory for type: kafka\n"
            in server.log_text())
    (tmp_path / "file").write_text("x")
    server = server_with(config(base, logging_to(tmp_path / "file/log"))).launch()
    assert server.wait_end() == 255
    assert (f"Failed to start server. Error: FAILED_PRECONDITION: logging_config of model half: no directory for the "
            f"request log: {tmp_path}/file; Not a directory\n") in server.log_text()


def test_trouble_with_the_disk_is_counted_and_never_the_clients(server_with, base, prefix):
    with server_with(config(base, logging_to(prefix))) as server, StockClient(server.grpc_address) as client:
        shutil.rmtree(prefix.parent)
        for _ in range(20):
            assert half(client.predict("half", {"x": [1.0]})) == 2.5
        wait_until(lambda: counted(server, "failed") == 20, "all are counted")
        assert server.log_text().count(f"Request log {prefix}: ") == 1, "said once a minute"
        prefix.parent.mkdir()
        client.predict("half", {"x": [1.0]})
        wait_for_records(prefix, 1)
        assert counted(server, "written") == 1


def test_a_full_disk_loses_no_whole_record(server_with, base, prefix, tmp_path):
    """A small file system of its own stands for the disk, where the tests may mount one."""
    prefix.parent.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(prefix.parent)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("not allowed to mount")
    try:
        with server_with(config(base, logging_to(prefix))) as server, StockClient(server.grpc_address) as client:
            asked = 0
            while counted(server, "failed") < 5:
                client.predict("half", {"x": [float(asked)] * 500})
                asked += 1
                assert asked < 200
            wait_until(lambda: counted(server, "failed") + counted(server, "written") == asked, "all are counted")
            assert len(records(prefix)) == counted(server, "written") > 0
            assert "No space left on device" in server.log_text()
    finally:
        subprocess.run(["umount", str(prefix.parent)], check=True)


def test_rotates_and_keeps_the_newest_files(server_with, base, prefix):
    flags = ["--request_log_max_file_bytes=2000", "--request_log_max_files=3"]
    with server_with(config(base, logging_to(prefix)), *flags) as server, \
            StockClient(server.grpc_address) as client:
        for number in range(100):
            client.predict("half", {"x": [float(number)]})
        wait_until(lambda: counted(server, "written") == 100, "all are written")
        found = files(prefix)
        assert len(found) == 3
        assert all(path.stat().st_size <= 2000 for path in found)
        assert [path.suffix for path in found] == [".tfrecord", ".tfrecord", ".tmp"]
        values = [tf.make_ndarray(log.predict_log.request.inputs["x"])[0] for log in records(prefix)]
        assert values == [float(number) for number in range(100 - len(values), 100)]


def test_rotates_by_age_without_further_requests(server_with, base, prefix):
    with server_with(config(base, logging_to(prefix)), "--request_log_max_file_seconds=1") as server, \
            StockClient(server.grpc_address) as client:
        client.predict("half", {"x": [1.0]})
        wait_until(lambda: [path.suffix for path in files(prefix)] == [".tfrecord"], "the file is complete")


def test_samples_by_rate_and_task(server_with, base, prefix):
    task = 'per_task_sampling_configs { dc: "oslo" task_index: 3 sampling_rate: 1 } sampling_rate: 0'
    text = config(base, logging_to(prefix).replace("sampling_rate: 1", task))
    for flags, logged in ((["--request_log_dc=oslo", "--request_log_task_index=3"], 1), ([], 0)):
        server = server_with(text, *flags)
        with server, StockClient(server.grpc_address) as client:
            client.predict("half", {"x": [1.0]})
            assert server.terminate() == 0
        assert len(records(prefix) if files(prefix) else []) == logged
        shutil.rmtree(prefix.parent)


def test_counts_where_dashboards_look(server_with, base, prefix, tmp_path):
    monitoring = tmp_path / "monitoring"
    monitoring.write_text('prometheus_config { enable: true path: "/monitoring" }')
    with server_with(config(base, logging_to(prefix)), f"--monitoring_config_file={monitoring}") as server, \
            StockClient(server.grpc_address) as client:
        client.predict("half", {"x": [1.0]})
        wait_for_records(prefix, 1)
        line = ':tensorflow:serving:request_log_count{model_name="half",status_code="OK"} 1\n'
        wait_until(lambda: line in server.get("/monitoring")[2].decode(), "the record is counted")
