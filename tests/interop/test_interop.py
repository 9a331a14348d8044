"""Other people's gRPC clients against Baton: a call, an error with its text, a deadline, and a drain survived.

The clients are in the folders beside this file; README.md says what each prints."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import grpc
import pytest
from baton_server import BatonServer, config_text
from tensorflow_serving.apis import predict_pb2

HERE = pathlib.Path(__file__).resolve().parent
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def float_request(model: str, values: list[float]) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    tensor = request.inputs["x"]
    tensor.dtype = 1
    tensor.tensor_shape.dim.add(size=len(values))
    tensor.float_val.extend(values)
    return request.SerializeToString()


REQUESTS = {"predict": float_request("half_plus_two", [1, 2, 5]), "missing": float_request("nosuch", [1]),
            "slow": float_request("slow", [7])}


def outputs(hex_bytes: str) -> dict[str, list[float]]:
    response = predict_pb2.PredictResponse.FromString(bytes.fromhex(hex_bytes))
    return {name: list(tensor.float_val) for name, tensor in response.outputs.items()}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, models_dir) -> pathlib.Path:
    """Request files and a model configuration with a slow model (the echo engine with a delay)."""
    folder = tmp_path_factory.mktemp("interop")
    for name, data in REQUESTS.items():
        (folder / f"{name}.bin").write_bytes(data)
    slow = folder / "slow/1"
    slow.mkdir(parents=True)
    (slow / "echo.txt").write_text("x float [-1]\ndelay_us 1500000\n")
    (folder / "models.config").write_text(config_text([
        {"name": "half_plus_two", "base_path": str(models_dir / "half_plus_two")},
        {"name": "slow", "base_path": str(slow.parent)}]))
    return folder


def run_quietly(command: list[str], folder: pathlib.Path, **environment) -> None:
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def build_go() -> list[str]:
    run_quietly(["go", "build", "-o", "target/client", "."], HERE / "go", GOFLAGS="-mod=readonly")
    return [str(HERE / "go/target/client")]


def build_js() -> list[str]:
    run_quietly(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"], HERE / "js")
    return ["node", str(HERE / "js/client.js")]


def build_java() -> list[str]:
    run_quietly(["mvn", "-q", "-B", "compile"], HERE / "java")
    return ["java", "-cp", f"{HERE}/java/target/classes:{HERE}/java/target/dependency/*", "baton.Client"]


def build_rust() -> list[str]:
    run_quietly(["cargo", "build", "--quiet"], HERE / "rust")
    return [str(HERE / "rust/target/debug/interop")]


def build_python() -> list[str]:
    return [sys.executable, str(HERE / "python/client.py")]


CLIENTS = {"python": (build_python, None), "go": (build_go, "go"), "js": (build_js, "npm"),
           "java": (build_java, "mvn"), "rust": (build_rust, "cargo")}


# tonic's own timer answers first and calls that CANCELLED ("Timeout expired"); the others say DEADLINE_EXCEEDED.
DEADLINE_CODES = {language: {"4"} for language in CLIENTS} | {"rust": {"1", "4"}}


class Lines:
    """A client's output, line by line with a limit on the wait."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.watchdog = threading.Timer(60, process.kill)
        self.watchdog.start()

    def next(self, first_word: str) -> list[str]:
        line = self.process.stdout.readline()
        words = line.rstrip("\n").split(" ", 2)
        assert words[0] == first_word, f"expected a line {first_word!r}, got {line!r}\n{self.rest()}"
        return words[1:]

    def rest(self) -> str:
        self.process.kill()
        return self.process.stdout.read() + self.process.stderr.read()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", CLIENTS)
def test_client_calls_fails_times_out_and_survives_a_drain(language, workplace, baton_binary):
    build, tool = CLIENTS[language]
    if tool and not shutil.which(tool):
        pytest.fail(f"{tool} is not installed: ./dev setup test")
    command = build()
    config = f"--model_config_file={workplace}/models.config"
    with BatonServer(config) as server:
        process = subprocess.Popen([*command, server.grpc_address, str(workplace)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        lines = Lines(process)
        try:
            code, answer = lines.next("unary")
            assert (code, outputs(answer)) == ("0", {"y": [2.5, 3.0, 4.5]})
            assert lines.next("error") == ["5", "Servable not found for request: Latest(nosuch)"]
            code, millis = lines.next("deadline")
            assert code in DEADLINE_CODES[language] and int(millis) < 1400
            lines.next("inflight")
            server.process.send_signal(signal.SIGTERM)
            code, answer = lines.next("slow")
            assert (code, outputs(answer)) == ("0", {"x": [7.0]})
            assert server.wait_end() == 0, server.log_text()
            successor = BatonServer(config, f"--port={server.grpc_port}")  # the last flag wins
            successor.grpc_port = server.grpc_port
            with successor:
                code, answer = lines.next("again")
                assert (code, outputs(answer)) == ("0", {"y": [2.5, 3.0, 4.5]})
                assert process.wait(30) == 0, lines.rest()
        finally:
            lines.watchdog.cancel()
            process.kill()


def test_gzip_and_deflate_both_ways(workplace, baton_binary):
    """grpcio compresses its request and takes a compressed answer."""
    same = lambda data: data  # noqa: E731
    big = float_request("half_plus_two", [1.0] * 5000)
    with BatonServer(f"--model_config_file={workplace}/models.config") as server:
        with grpc.insecure_channel(server.grpc_address) as channel:
            call = channel.unary_unary(PREDICT, request_serializer=same, response_deserializer=same)
            plain = call(big, timeout=10)
            for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
                assert call(big, timeout=10, compression=compression) == plain


def test_health_and_reflection_with_the_stock_packages(workplace, baton_binary):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    with BatonServer(f"--model_config_file={workplace}/models.config") as server:
        with grpc.insecure_channel(server.grpc_address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", "ModelService", "PredictionService"):
                assert health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status == 1
            with pytest.raises(grpc.RpcError) as error:
                health.Check(health_pb2.HealthCheckRequest(service="nosuch"), timeout=5)
            assert error.value.code() == grpc.StatusCode.NOT_FOUND
            watch = health.Watch(health_pb2.HealthCheckRequest(service=""))
            assert next(watch).status == 1
            database = ProtoReflectionDescriptorDatabase(channel)
            services = set(database.get_services())
            assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService",
                    "grpc.health.v1.Health"} <= services
            file = database.FindFileContainingSymbol("tensorflow.serving.PredictionService")
            assert "Predict" in [m.name for m in file.service[0].method]
            # A drain tells the watcher, and is not held up by it.
            server.process.send_signal(signal.SIGTERM)
            assert next(watch).status == 2
            assert server.wait_end() == 0


def test_keepalive_pings_without_calls_are_tolerated(workplace, baton_binary):
    """gRPC's fastest permitted keepalive, with nothing else on the connection, and then a call."""
    same = lambda data: data  # noqa: E731
    options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 500),
               ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
    with BatonServer(f"--model_config_file={workplace}/models.config") as server:
        with grpc.insecure_channel(server.grpc_address, options=options) as channel:
            call = channel.unary_unary(PREDICT, request_serializer=same, response_deserializer=same)
            call(REQUESTS["predict"], timeout=5)
            states = []
            channel.subscribe(states.append)
            # The slow model keeps the test, not the connection's data, busy for several pings.
            with grpc.insecure_channel(server.grpc_address) as other:
                slow = other.unary_unary(PREDICT, request_serializer=same, response_deserializer=same)
                for _ in range(3):
                    slow(REQUESTS["slow"], timeout=10)
            call(REQUESTS["predict"], timeout=5)
            assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states
