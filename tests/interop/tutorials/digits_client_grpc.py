"""Sends handwritten digits one by one, several calls at once, and prints the error rate: digits_client_grpc.py HOST:PORT"""
import sys
import threading

import grpc
import numpy as np
import tensorflow as tf
from sklearn import datasets
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

AT_ONCE, TESTS = 8, 300


class Results:
    """Counts answers and lets a caller wait until fewer than AT_ONCE are awaited."""

    def __init__(self):
        self.condition = threading.Condition()
        self.active = self.done = self.errors = 0

    def throttle(self) -> None:
        with self.condition:
            self.condition.wait_for(lambda: self.active < AT_ONCE)
            self.active += 1

    def callback(self, label: int):
        def on_answer(future) -> None:
            failure = future.exception()
            if failure:
                print(failure, file=sys.stderr)
                wrong = True
            else:
                scores = np.array(future.result().outputs["scores"].float_val)
                wrong = np.argmax(scores) != label
            with self.condition:
                self.errors += wrong
                self.done += 1
                self.active -= 1
                self.condition.notify_all()

        return on_answer


def main() -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(sys.argv[1]))
    digits, results = datasets.load_digits(), Results()
    for image, label in zip(digits.data[-TESTS:], digits.target[-TESTS:]):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "digits"
        request.model_spec.signature_name = "predict_images"
        request.inputs["images"].CopyFrom(tf.make_tensor_proto(image, dtype=tf.float32, shape=[1, image.size]))
        results.throttle()
        stub.Predict.future(request, 5.0).add_done_callback(results.callback(label))
    with results.condition:
        results.condition.wait_for(lambda: results.done == TESTS)
    print(f"Inference error rate: {100 * results.errors / TESTS}%")


main()
