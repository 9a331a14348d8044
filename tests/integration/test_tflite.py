"""TFLite models over gRPC and REST (contract 11, rows 21 and 22 of 13.1). Models: engines/tflite/testdata/make_models.py."""
import concurrent.futures
import json
import shutil
import subprocess
import sys

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2

from baton_server import ROOT, BatonServer, config_text
from stock_client import StockClient, half

MODELS = ["half_plus_two", "half_plus_two_signature", "several_signatures", "two_subgraphs", "type_string", "pick", "matrix",
          "tile", "dense_quantized"]
THREADS = 8
CALLS_PER_THREAD = 50


@pytest.fixture(scope="module")
def made_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tflite")
    subprocess.run([sys.executable, ROOT / "engines/tflite/testdata/make_models.py", folder], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def server(baton_binary, made_models, models_dir):
    config = made_models / "models.config"
    served = [{"name": name, "base_path": made_models / name} for name in MODELS]
    served.append({"name": "saved_model", "base_path": models_dir / "half_plus_two"})
    config.write_text(config_text(served))
    with BatonServer(f"--model_config_file={config}", "--prefer_tflite_model=true", "--num_tflite_pools=2") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with StockClient(server.grpc_address) as connected:
        yield connected


def rest_predict(server, model: str, body: dict) -> dict:
    status, _, answer = server.post(f"/v1/models/{model}:predict", json.dumps(body))
    assert status == 200, answer
    return json.loads(answer)


def signatures(client, model: str):
    answer = client.metadata(model)
    found = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    return found.signature_def


def test_21_predict_without_embedded_signatures(client, server):
    for output_filter in [("y",), ()]:
        answer = client.predict("half_plus_two", {"x": tf.constant(2.0, shape=(1,))}, "serving_default", output_filter)
        assert answer.outputs["y"].dtype == tf.float32.as_datatype_enum
        assert half(answer) == 3.0
        assert answer.model_spec.signature_name == "serving_default"
    assert rest_predict(server, "half_plus_two", {"instances": [2.0, 4.0]}) == {"predictions": [3.0, 4.0]}
    assert "No signature def found in TFLite model. Generating one." in server.log_text()


def test_22_predict_with_embedded_signatures(client, server):
    answer = client.predict("half_plus_two_signature", {"x_in": tf.constant(2.0, shape=(1,))})
    assert tf.make_ndarray(answer.outputs["y_out"]).tolist() == [3.0]
    assert rest_predict(server, "half_plus_two_signature", {"instances": [2.0]}) == {"predictions": [3.0]}


def test_several_signatures(client):
    both = client.predict("several_signatures", {"x": [1.0], "xx": [5.0]})
    assert {k: tf.make_ndarray(v).tolist() for k, v in both.outputs.items()} == {"y": [6.0], "yy": [50.0]}
    more = client.predict("several_signatures", {"x": [3.0]}, "serving_more")
    assert tf.make_ndarray(more.outputs["y"]).tolist() == [30.0]
    product = client.predict("two_subgraphs", {"x": [2.0], "z": [5.0]}, "product")
    assert tf.make_ndarray(product.outputs["xz"]).tolist() == [10.0]


def test_metadata(client, server):
    generated = signatures(client, "half_plus_two")
    assert list(generated) == ["serving_default"]
    default = generated["serving_default"]
    assert default.method_name == "tensorflow/serving/predict"
    assert default.inputs["x"].name == "x"
    assert default.inputs["x"].dtype == tf.float32.as_datatype_enum
    assert [d.size for d in default.inputs["x"].tensor_shape.dim] == [1]
    embedded = signatures(client, "half_plus_two_signature")["serving_default"]
    assert (embedded.inputs["x_in"].name, embedded.outputs["y_out"].name) == ("x", "y")
    assert sorted(signatures(client, "several_signatures")) == ["serving", "serving_default", "serving_more"]
    status, _, body = server.get("/v1/models/half_plus_two/metadata")
    assert status == 200
    assert "serving_default" in json.loads(body)["metadata"]["signature_def"]["signature_def"]


def test_strings(client, server):
    words = [b"one", b"", "zw\u00f6lf".encode(), b"\xff\x00"]
    answer = client.predict("type_string", {"x": tf.constant(words)})
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == words
    picked = rest_predict(server, "pick", {"inputs": {"s": ["a", "b", "c"], "i": [2, 0]}})
    assert picked == {"outputs": ["c", "a"]}


def test_each_request_brings_its_shape(client):
    for rows in (1, 7, 2, 100, 7):
        answer = client.predict("matrix", {"x": tf.ones((rows, 2))})
        assert tf.make_ndarray(answer.outputs["y"]).tolist() == [[3.0]] * rows
    tiled = client.predict("tile", {"x": [1.0, 2.0], "n": tf.constant([3])})
    assert tf.make_ndarray(tiled.outputs["y"]).tolist() == [1.0, 2.0] * 3


def test_more_callers_than_interpreters(server):
    def calls(thread: int) -> int:
        with StockClient(server.grpc_address) as own:
            for i in range(CALLS_PER_THREAD):
                rows = 1 + (thread + i) % 5
                answer = own.predict("matrix", {"x": tf.fill((rows, 2), float(thread))})
                assert tf.make_ndarray(answer.outputs["y"]).tolist() == [[3.0 * thread]] * rows
        return CALLS_PER_THREAD

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(calls, range(THREADS))) == THREADS * CALLS_PER_THREAD


def test_quantized_weights(client):
    [name] = signatures(client, "dense_quantized")["serving_default"].inputs
    answer = client.predict("dense_quantized", {name: tf.zeros((2, 64))})
    [output] = answer.outputs.values()
    assert tf.make_ndarray(output).shape == (2, 10)


def test_another_element_type_is_refused(client):
    with pytest.raises(grpc.RpcError) as error:
        client.predict("half_plus_two", {"x": tf.constant([1], tf.int32)})
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_shape_that_does_not_fit_is_an_error_of_its_request_only(client):
    with pytest.raises(grpc.RpcError) as error:
        client.predict("tile", {"x": [1.0], "n": tf.constant([1, 2, 3])})
    assert error.value.code() == grpc.StatusCode.INTERNAL
    answer = client.predict("tile", {"x": [1.0], "n": tf.constant([2])})
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [1.0, 1.0]


def test_other_directories_stay_saved_models(client):
    assert half(client.predict("saved_model", {"x": [2.0]}, output_filter=("y",))) == 3.0


def test_without_the_flag_only_a_saved_model_counts(baton_binary, made_models, models_dir, tmp_path):
    both, lite = tmp_path / "both", tmp_path / "lite"
    shutil.copytree(models_dir / "half_plus_two/123", both / "1")
    shutil.copy(made_models / "matrix/1/model.tflite", both / "1")
    shutil.copytree(made_models / "half_plus_two", lite)
    with BatonServer(f"--model_base_path={both}") as server, StockClient(server.grpc_address) as client:
        assert half(client.predict("default", {"x": [2.0]}, output_filter=("y",))) == 3.0
    with BatonServer(f"--model_base_path={both}", "--prefer_tflite_model") as server:
        with StockClient(server.grpc_address) as client:
            answer = client.predict("default", {"x": tf.ones((1, 2))})
            assert tf.make_ndarray(answer.outputs["y"]).tolist() == [[3.0]]
    server = BatonServer(f"--model_base_path={lite}", "--max_num_load_retries=0")
    server.launch()
    try:
        assert server.wait_end() != 0
        assert "Specified file path does not appear to contain a SavedModel bundle" in server.log_text()
    finally:
        server.kill()
        server.log.close()


def test_a_missing_operator_is_named(baton_binary, made_models):
    server = BatonServer(f"--model_base_path={made_models / 'flex_operator'}", "--prefer_tflite_model",
                         "--max_num_load_retries=0")
    server.launch()
    try:
        assert server.wait_end() != 0
        assert "The model needs the operator FlexErf" in server.log_text()
    finally:
        server.kill()
        server.log.close()


def test_several_interpreters_per_pool_share_a_large_request(baton_binary, made_models):
    """Contract 11: at most 500 rows a request, cut into even shares, put together again."""
    with BatonServer("--model_name=m", f"--model_base_path={made_models / 'half_plus_two'}", "--prefer_tflite_model",
                     "--num_tflite_pools=1", "--num_tflite_interpreters_per_pool=4") as server:
        with StockClient(server.grpc_address) as client:
            rows = [float(n) for n in range(500)]
            answer = client.predict("m", {"x": tf.constant(rows, shape=[500])})
            assert list(answer.outputs["y"].float_val) == [x / 2 + 2 for x in rows]
            with pytest.raises(grpc.RpcError) as error:
                client.predict("m", {"x": tf.zeros([501])})
            assert error.value.details() == "Task size 501 is larger than maximum input batch size 500"
            with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
                found = pool.map(lambda n: half(client.predict("m", {"x": [float(n)]})), range(200))
                assert list(found) == [n / 2 + 2 for n in range(200)]


def test_several_interpreters_per_pool_share_a_large_request_of_strings(baton_binary, made_models):
    with BatonServer("--model_name=m", f"--model_base_path={made_models / 'type_string'}", "--prefer_tflite_model",
                     "--num_tflite_pools=1", "--num_tflite_interpreters_per_pool=4") as server:
        with StockClient(server.grpc_address) as client:
            words = [b"" if n % 7 == 0 else b"%d\x00" % n * n for n in range(500)]
            answer = client.predict("m", {"x": tf.constant(words)})
            assert list(answer.outputs["y"].string_val) == words
            with pytest.raises(grpc.RpcError) as error:
                client.predict("m", {"x": tf.constant([b"x"] * 501)})
            assert error.value.details() == "Task size 501 is larger than maximum input batch size 500"
