"""The interop client in Python (grpcio, C-core); see ../README.md for what every client does."""
import pathlib
import sys
import time

import grpc

address, folder = sys.argv[1], pathlib.Path(sys.argv[2])
request = {name: (folder / f"{name}.bin").read_bytes() for name in ("predict", "missing", "slow")}
channel = grpc.insecure_channel(address)
predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")  # bytes in, bytes out


def call(data: bytes, timeout: float) -> tuple[int, str, bytes]:
    try:
        return 0, "", predict(data, timeout=timeout)
    except grpc.RpcError as error:
        return error.code().value[0], error.details(), b""


def say(*words) -> None:
    print(*words, flush=True)


code, _, answer = call(request["predict"], 10)
say("unary", code, answer.hex())
code, text, _ = call(request["missing"], 10)
say("error", code, text)
started = time.monotonic()
code, _, _ = call(request["slow"], 0.2)
say("deadline", code, int((time.monotonic() - started) * 1000))

slow = predict.future(request["slow"], timeout=10)
call(request["predict"], 10)
say("inflight")
say("slow", slow.code().value[0], slow.result().hex() if slow.code() == grpc.StatusCode.OK else "")
while True:
    code, _, answer = call(request["predict"], 10)
    if code != grpc.StatusCode.UNAVAILABLE.value[0]:
        break
    time.sleep(0.05)
say("again", code, answer.hex())
