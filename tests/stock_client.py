"""Calls through the stock tensorflow-serving-api client, in the shapes the tests ask."""
import grpc
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from google.protobuf import text_format

DEADLINE_SECONDS = 10


class StockClient:
    """One channel. Methods raise grpc.RpcError as the stubs do."""

    def __init__(self, address: str, options: list | None = None):
        self.channel = grpc.insecure_channel(address, options=options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def __enter__(self) -> "StockClient":
        return self

    def __exit__(self, *_) -> None:
        self.channel.close()

    def predict(self, model: str, inputs: dict, signature: str = "", output_filter=(), version: int | None = None,
                label: str = "", timeout: float = DEADLINE_SECONDS):
        request = predict_pb2.PredictRequest(output_filter=output_filter)
        spec = request.model_spec
        spec.name, spec.signature_name = model, signature
        if version is not None:
            spec.version.value = version
        if label:
            spec.version_label = label
        for name, value in inputs.items():
            proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
            request.inputs[name].CopyFrom(proto)
        return self.predictions.Predict(request, timeout=timeout)

    def metadata(self, model: str):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        return self.predictions.GetModelMetadata(request, timeout=DEADLINE_SECONDS)

    def status(self, model: str):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        return self.models.GetModelStatus(request, timeout=DEADLINE_SECONDS).model_version_status

    def reload(self, config: str):
        request = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(config, request.config)
        return self.models.HandleReloadConfigRequest(request, timeout=DEADLINE_SECONDS)


def half(answer) -> float:
    """The one float of output y."""
    values = list(answer.outputs["y"].float_val)
    assert len(values) == 1, answer
    return values[0]
