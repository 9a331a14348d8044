"""Sends an image file's bytes and prints what the model makes of it: image_client_grpc.py HOST:PORT IMAGE"""
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

with open(sys.argv[2], "rb") as file:
    data = file.read()
channel = grpc.insecure_channel(sys.argv[1])
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
request = predict_pb2.PredictRequest()
request.model_spec.name = "colours"
request.model_spec.signature_name = "serving_default"
request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(data, shape=[1]))
result = stub.Predict(request, 10.0)  # 10 secs timeout
probabilities = tf.make_ndarray(result.outputs["probabilities"])
assert probabilities.shape == (1, 3), probabilities
print(f"Prediction class: {tf.make_ndarray(result.outputs['classes'])[0]}, of {probabilities.sum():.3f} in all")
