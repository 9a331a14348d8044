"""The programs of tutorials/ run unchanged against Baton; what they print is what the model should say."""
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from baton_server import BatonServer, config_text

TUTORIALS = pathlib.Path(__file__).resolve().parent / "tutorials"
COLOURS = ["red", "green", "blue"]


def save_digits(folder: pathlib.Path) -> None:
    """Logistic regression over scikit-learn's digits: images [n, 64] -> scores [n, 10]. The last images stay unseen."""
    from sklearn import datasets, linear_model
    digits = datasets.load_digits()
    fitted = linear_model.LogisticRegression(max_iter=1000).fit(digits.data[:-300] / 16, digits.target[:-300])
    module = tf.Module()
    module.weights = tf.Variable(fitted.coef_.T.astype(np.float32))
    module.bias = tf.Variable(fitted.intercept_.astype(np.float32))
    module.predict = tf.function(lambda images: {"scores": tf.nn.softmax(images / 16 @ module.weights + module.bias)},
                                 input_signature=[tf.TensorSpec([None, 64], tf.float32, name="images")])
    tf.saved_model.save(module, str(folder), {"predict_images": module.predict})


def save_colours(folder: pathlib.Path) -> None:
    """Image files -> which of three colours there is most of, and how much of each."""

    def look(image_bytes):
        shares = tf.map_fn(lambda data: tf.reduce_mean(tf.cast(tf.io.decode_png(data, 3), tf.float32), [0, 1]), image_bytes,
                           fn_output_signature=tf.TensorSpec([3], tf.float32))
        return {"classes": tf.argmax(shares, 1), "probabilities": shares / tf.reduce_sum(shares, 1, True)}

    module = tf.Module()
    module.look = tf.function(look, input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    tf.saved_model.save(module, str(folder), module.look)


@pytest.fixture(scope="module")
def server(baton_binary, tmp_path_factory, models_dir):
    folder = tmp_path_factory.mktemp("tutorials")
    save_digits(folder / "digits/1")
    save_colours(folder / "colours/1")
    models = [{"name": "half_plus_two", "base_path": str(models_dir / "half_plus_two")},
              {"name": "digits", "base_path": str(folder / "digits"), "labels": {"stable": 1}},
              {"name": "colours", "base_path": str(folder / "colours")}]
    (folder / "models.config").write_text(config_text(models))
    with BatonServer(f"--model_config_file={folder}/models.config",
                     "--allow_version_labels_for_unavailable_models=true") as server:
        yield server


@pytest.fixture(scope="module")
def green_image(tmp_path_factory) -> str:
    pixels = np.zeros([24, 24, 3], np.uint8)
    pixels[:, :, COLOURS.index("green")] = 200
    pixels[:4, :, COLOURS.index("red")] = 90
    file = tmp_path_factory.mktemp("images") / "green.png"
    file.write_bytes(tf.io.encode_png(pixels).numpy())
    return str(file)


def say(program: str, *arguments: str) -> str:
    """What the program prints; it must succeed."""
    command = [str(TUTORIALS / program)] if program.endswith(".sh") else [sys.executable, str(TUTORIALS / program)]
    done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"{program}: {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
    return done.stdout


def json_values(text: str) -> list:
    """JSON values written one after the other."""
    values, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:]
    return values


def test_curl_lines(server):
    status, metadata, rows, columns, regressed, error = json_values(say("half_plus_two.sh", server.rest_url))
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert "serving_default" in metadata["metadata"]["signature_def"]["signature_def"]
    assert rows == {"predictions": [2.5, 3.0, 4.5]}
    assert columns == {"outputs": [2.5, 3.0, 4.5]}
    assert regressed == {"results": [2.5, 3.0]}
    assert error == {"error": "Servable not found for request: Latest(half_plus_nothing)"}


def test_digits_over_grpc_with_futures(server):
    rate = re.fullmatch(r"Inference error rate: ([\d.]+)%\n", say("digits_client_grpc.py", server.grpc_address))
    assert 0 < float(rate[1]) < 15


def test_digits_over_rest(server):
    lines = say("digits_client_rest.py", server.rest_url).splitlines()
    assert [line.split(":")[0] for line in lines] == ["digits", "digits/versions/1", "digits/labels/stable"]
    assert all(int(re.search(r"(\d+) of 20 right", line)[1]) >= 16 for line in lines)


def test_an_image_over_grpc(server, green_image):
    assert say("image_client_grpc.py", server.grpc_address, green_image) == "Prediction class: 1, of 1.000 in all\n"


def test_an_image_over_rest(server, green_image):
    assert re.fullmatch(r"Prediction class: 1, avg latency: [\d.]+ ms\n", say("image_client_rest.py", server.rest_url, green_image))
