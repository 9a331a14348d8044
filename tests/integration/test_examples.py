"""Classify, Regress and MultiInference against a real model, where the recorded answers say nothing."""
import json

import grpc
import pytest
from google.protobuf import text_format
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, regression_pb2

from baton_server import BatonServer, config_text
from stock_client import StockClient

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
HALF = "half_plus_two"
DEADLINE = 10


@pytest.fixture(scope="module")
def config(models_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("examples") / "models.config"
    path.write_text(config_text([{"name": name, "base_path": models_dir / name} for name in (HALF, "classes")]))
    return path


@pytest.fixture(scope="module")
def server(baton_binary, config):
    with BatonServer(f"--model_config_file={config}") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with StockClient(server.grpc_address) as connected:
        yield connected


def floats(*values: float) -> example_pb2.Example:
    example = example_pb2.Example()
    example.features.feature["x"].float_list.value.extend(values)
    return example


def plain_input(*examples) -> input_pb2.Input:
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=examples))


def infer(client, tasks, model_input, model: str = HALF) -> inference_pb2.MultiInferenceResponse:
    request = inference_pb2.MultiInferenceRequest(input=model_input)
    for signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    return client.predictions.MultiInference(request, timeout=DEADLINE)


def regress(client, signature: str, model_input, model: str = HALF) -> regression_pb2.RegressionResponse:
    request = regression_pb2.RegressionRequest(input=model_input)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return client.predictions.Regress(request, timeout=DEADLINE)


def classify(client, signature: str, model_input, model: str = HALF) -> classification_pb2.ClassificationResponse:
    request = classification_pb2.ClassificationRequest(input=model_input)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return client.predictions.Classify(request, timeout=DEADLINE)


def test_several_tasks_get_what_calls_of_their_own_get(client):
    """Three signatures of one input tensor; two of them share the output tensor as well."""
    question = plain_input(floats(2), floats(10))
    tasks = [("regress_x_to_y2", REGRESS), ("classify_x_to_y", CLASSIFY), ("regress_x_to_y", REGRESS)]
    answer = infer(client, tasks, question)
    assert [result.model_spec.signature_name for result in answer.results] == [signature for signature, _ in tasks]
    assert {(result.model_spec.name, result.model_spec.version.value) for result in answer.results} == {(HALF, 123)}
    for result, (signature, method) in zip(answer.results, tasks):
        if method == REGRESS:
            assert result.regression_result == regress(client, signature, question).result
        else:
            assert result.classification_result == classify(client, signature, question).result
    assert [r.value for r in answer.results[0].regression_result.regressions] == [4, 8]  # x / 2 + 3
    assert [r.value for r in answer.results[2].regression_result.regressions] == [3, 7]


def test_tasks_may_fetch_strings_and_numbers_in_one_run(client):
    question = plain_input(floats(1, 2, 3.5))
    tasks = [("serving_default", CLASSIFY), ("echo_n", REGRESS), ("scores_only", CLASSIFY), ("classes_only", CLASSIFY)]
    answer = infer(client, tasks, question, "classes")
    for result, (signature, method) in zip(answer.results, tasks, strict=True):
        if method == REGRESS:
            assert result.regression_result == regress(client, signature, question, "classes").result
        else:
            assert result.classification_result == classify(client, signature, question, "classes").result
    first = answer.results[0].classification_result.classifications[0].classes
    assert [(c.label, c.score) for c in first] == [("red", 2), ("green", 4), ("blue", 7)]


def test_tasks_of_different_inputs_are_fed_each(client):
    """The second signature takes a float tensor, so the run fails, as it does alone."""
    with pytest.raises(grpc.RpcError) as error:
        infer(client, [("regress_x_to_y", REGRESS), ("regress_x2_to_y3", REGRESS)], plain_input(floats(2)))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == "Expects arg[1] to be float but string is provided"


def test_a_context_counts_for_every_task(client):
    question = input_pb2.Input()
    text_format.Parse("""example_list_with_context {
        examples { } examples { features { feature { key: "x" value { float_list { value: 2 } } } } }
        context { features { feature { key: "x" value { float_list { value: 8 } } } } } }""", question)
    answer = infer(client, [("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY)], question)
    assert [r.value for r in answer.results[0].regression_result.regressions] == [6, 3]
    assert [c.classes[0].score for c in answer.results[1].classification_result.classifications] == [6, 3]


def test_bytes_that_are_no_example_are_an_error_of_the_request(server, client):
    """An Example is not parsed before the graph does it, which says what is wrong."""
    request = regression_pb2.RegressionRequest(input=plain_input(floats(2)))
    request.model_spec.name, request.model_spec.signature_name = HALF, "regress_x_to_y"
    good = request.input.example_list.examples[0].SerializeToString()
    broken = request.SerializeToString().replace(good, b"\xff" * len(good))
    call = client.channel.unary_unary("/tensorflow.serving.PredictionService/Regress")
    with pytest.raises(grpc.RpcError) as error:
        call(broken, timeout=DEADLINE)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Could not parse example input" in error.value.details()
    assert server.process.poll() is None


def test_many_examples_in_one_request(client):
    question = plain_input(*(floats(i) for i in range(2000)))
    values = [r.value for r in regress(client, "regress_x_to_y", question).result.regressions]
    assert values == [i / 2 + 2 for i in range(2000)]


def test_the_method_name_check_asks_for_the_exact_names(baton_binary, config):
    with BatonServer(f"--model_config_file={config}", "--enable_signature_method_name_check=true") as server, \
            StockClient(server.grpc_address) as client:
        question = plain_input(floats(2))
        assert regress(client, "regress_x_to_y", question).result.regressions[0].value == 3
        with pytest.raises(grpc.RpcError) as error:
            classify(client, "regress_x_to_y", question)
        assert error.value.details() == (
            "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/regress")
        with pytest.raises(grpc.RpcError) as error:
            regress(client, "serving_default", question)
        assert error.value.details() == (
            "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict")
        # All three may be predicted.
        assert client.predict("classes", {"inputs": [floats(1, 2, 3).SerializeToString()]}, "scores_only").outputs
        body = json.dumps({"signature_name": "serving_default", "examples": [{"x": 2.0}]}).encode()
        status, _, answer = server.post(f"/v1/models/{HALF}:classify", body)
        assert status == 400
        assert "Expected classification signature method_name" in json.loads(answer)["error"]
