"""TensorFlow Serving's own integration checklist (contract 13.1), for what Baton serves so far. Numbers are the contract's."""
import json

import grpc
import pytest
import tensorflow as tf

from baton_server import BatonServer, config_text, wait_until
from stock_client import StockClient, half

# As the original test starts the original server.
ORIGINAL_FLAGS = ["--rest_api_timeout_in_ms=5000"]
CHANNEL_ARGUMENTS = "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb,grpc.so_reuseaddr=1"
SIGNATURE = "serving_default"
MODEL = "default"


def model_flags(base_path, name: str = MODEL) -> list[str]:
    return [*ORIGINAL_FLAGS, f"--model_name={name}", f"--model_base_path={base_path}"]


def check_predict(client: StockClient, model: str, expected: float, version: int, output_filter=("y",), shape=(1,)) -> None:
    answer = client.predict(model, {"x": tf.constant(2.0, shape=shape)}, SIGNATURE, output_filter, timeout=5)
    assert answer.outputs["y"].dtype == tf.float32.as_datatype_enum
    assert half(answer) == expected
    assert (answer.model_spec.name, answer.model_spec.signature_name) == (model, SIGNATURE)
    assert answer.model_spec.version.value == version


@pytest.fixture(scope="module")
def half_plus_two(baton_binary, tmp_path_factory, models_dir):
    """The version folder is written with leading zeros, as in the original suite."""
    base = tmp_path_factory.mktemp("half") / "half_plus_two"
    base.mkdir()
    (base / "00000123").symlink_to(models_dir / "half_plus_two/123")
    return base


@pytest.fixture(scope="module")
def server(half_plus_two, tmp_path_factory):
    socket = tmp_path_factory.mktemp("s") / "tf-serving.sock"
    with BatonServer(*model_flags(half_plus_two), f"--grpc_socket_path={socket}", CHANNEL_ARGUMENTS) as running:
        running.socket = socket
        yield running


@pytest.fixture(scope="module")
def client(server):
    with StockClient(server.grpc_address) as connected:
        yield connected


def test_readiness_as_the_original_suite_waits_for_it(client):
    with pytest.raises(grpc.RpcError) as error:
        client.predict("intentionally_missing_model", {})
    assert "Servable" in error.value.details()


def test_01_get_model_status(client):
    [status] = client.status(MODEL)
    assert (status.version, status.status.error_code) == (123, 0)


def test_02_get_model_metadata(client):
    answer = client.metadata(MODEL)
    assert (answer.model_spec.name, answer.model_spec.version.value) == (MODEL, 123)
    assert list(answer.metadata) == ["signature_def"]


@pytest.mark.parametrize("output_filter", [("y",), ()])
@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_06_predict(client, output_filter, shape):
    check_predict(client, MODEL, 3.0, 123, output_filter, shape)


def test_08_good_model_config(baton_binary, tmp_path, models_dir):
    config = tmp_path / "config"
    config.write_text(config_text([{"name": name, "base_path": models_dir / name}
                                   for name in ("half_plus_two", "half_plus_three")]))
    with BatonServer(*ORIGINAL_FLAGS, f"--model_config_file={config}") as running, StockClient(running.grpc_address) as asking:
        for model, expected in (("half_plus_two", 3.0), ("half_plus_three", 4.0)):
            check_predict(asking, model, expected, 123)
            check_predict(asking, model, expected, 123, output_filter=())


def test_09_bad_model_config(baton_binary, tmp_path):
    config = tmp_path / "config"
    config.write_text("improperly formatted file")
    running = BatonServer(*ORIGINAL_FLAGS, f"--model_config_file={config}").launch()
    assert running.wait_end() == 255
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in running.log_text()


@pytest.mark.parametrize("poll_seconds", [1, 0])
def test_10_11_model_config_reload(baton_binary, tmp_path, models_dir, poll_seconds):
    config = tmp_path / "config"
    config.write_text(config_text([{"name": "half_plus_two", "base_path": models_dir / "half_plus_two"}]))
    flags = [f"--model_config_file={config}", f"--model_config_file_poll_wait_seconds={poll_seconds}"]
    with BatonServer(*ORIGINAL_FLAGS, *flags) as running, StockClient(running.grpc_address) as asking:
        check_predict(asking, "half_plus_two", 3.0, 123)
        config.write_text(config_text([{"name": "half_plus_three", "base_path": models_dir / "half_plus_three"}]))
        if poll_seconds == 0:
            with pytest.raises(AssertionError):
                wait_until(lambda: running.get("/v1/models/half_plus_three")[0] == 200, "reloaded", timeout=2.5)
            check_predict(asking, "half_plus_two", 3.0, 123)
            return

        def serves_three() -> bool:
            try:
                check_predict(asking, "half_plus_three", 4.0, 123)
                return True
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND
                return False

        wait_until(serves_three, "half_plus_three is served", timeout=10)


def test_12_grpc_channel_arguments_are_accepted(server, client):
    assert CHANNEL_ARGUMENTS in server.flags
    check_predict(client, MODEL, 3.0, 123)


@pytest.mark.parametrize("question,answer", [
    ({"instances": [2.0, 3.0, 4.0]}, {"predictions": [3.0, 3.5, 4.0]}),
    ({"inputs": [2.0, 3.0, 4.0]}, {"outputs": [3.0, 3.5, 4.0]}),
], ids=["15_row", "16_column"])
def test_15_16_predict_rest(server, question, answer):
    status, _, body = server.post(f"/v1/models/{MODEL}:predict", json.dumps(question))
    assert (status, json.loads(body)) == (200, answer)


def test_17_get_status_rest(server):
    status, _, body = server.get(f"/v1/models/{MODEL}")
    assert status == 200
    assert json.loads(body) == {"model_version_status": [
        {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}


def test_18_get_model_metadata_rest(server):
    status, _, body = server.get(f"/v1/models/{MODEL}/metadata")
    answer = json.loads(body)
    assert status == 200
    assert answer["model_spec"] == {"name": MODEL, "version": "123", "signature_name": ""}
    signature = answer["metadata"]["signature_def"]["signature_def"][SIGNATURE]
    assert signature["defaults"] == {}
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"] == {
        "name": "x:0", "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}], "unknown_rank": False}}


def test_20_predict_over_a_unix_socket_that_a_second_server_takes_over(half_plus_two, server):
    with BatonServer(*model_flags(half_plus_two), f"--grpc_socket_path={server.socket}"):
        with StockClient(f"unix:{server.socket}") as asking:
            check_predict(asking, MODEL, 3.0, 123)


class TripledDouble(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def serve(self, x):
        return {"y": 3.0 * 2.0 * x}


class TwoConstants(tf.Module):
    @tf.function(input_signature=[])
    def one(self):
        return {"y": tf.constant(1.0)}

    @tf.function(input_signature=[])
    def two(self):
        return {"y": tf.constant(2.0)}


def test_23_tf2_saved_model(baton_binary, tmp_path):
    model = TripledDouble()
    tf.saved_model.save(model, str(tmp_path / "m/1"), signatures={SIGNATURE: model.serve})
    with BatonServer(*model_flags(tmp_path / "m")) as running, StockClient(running.grpc_address) as asking:
        check_predict(asking, MODEL, 12.0, 1)


def test_24_tf2_saved_model_with_several_signatures(baton_binary, tmp_path):
    model = TwoConstants()
    tf.saved_model.save(model, str(tmp_path / "m/1"), signatures={SIGNATURE: model.one, "custom_signature_key": model.two})
    with BatonServer(*model_flags(tmp_path / "m")) as running, StockClient(running.grpc_address) as asking:
        assert half(asking.predict(MODEL, {})) == 1.0
        assert half(asking.predict(MODEL, {}, "custom_signature_key")) == 2.0


def test_25_keras_model(baton_binary, tmp_path):
    model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Identity(name="y")])
    model.export(str(tmp_path / "m/1"), verbose=False)
    with BatonServer(*model_flags(tmp_path / "m")) as running, StockClient(running.grpc_address) as asking:
        described = tf.saved_model.load(str(tmp_path / "m/1")).signatures[SIGNATURE]
        [input_name] = described.structured_input_signature[1]
        [output] = asking.predict(MODEL, {input_name: tf.constant([[2.0]])}).outputs.values()
        assert list(output.float_val) == [2.0]
