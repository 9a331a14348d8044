#!/usr/bin/env python3
"""Baton in a minute: serve a model, ask it with stock clients, publish version 2 under load, stop.

`./dev demo` runs this. Exit status 0 means that everything it says it did was checked.
"""
import argparse
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
SERVER_ENVIRONMENT = dict(os.environ)
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # the client's TensorFlow only makes tensors; this keeps it from announcing itself

import numpy as np
import requests

MODEL = "digits"
SHADES = " .:-=+*%@"
ROW_SECONDS = 0.5
CLIENTS = {"gRPC": 2, "REST": 2}


class DemoError(Exception):
    """Something did not go as this demo says it does."""


def say(text: str = "") -> None:
    print(text, flush=True)


def step(text: str) -> None:
    say(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`baton serve` on free ports, with TensorFlow Serving's own flags."""

    def __init__(self, binary: pathlib.Path, base_path: pathlib.Path, log: pathlib.Path):
        self.grpc_port, self.rest_port = free_port(), free_port()
        self.log = log
        self.command = [str(binary), "serve", f"--port={self.grpc_port}", f"--rest_api_port={self.rest_port}",
                        f"--model_name={MODEL}", f"--model_base_path={base_path}"]
        with log.open("w") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            env=SERVER_ENVIRONMENT)

    @property
    def predict_url(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}/v1/models/{MODEL}:predict"

    def wait_ready(self, timeout: float = 60) -> float:
        """Seconds until /readyz says yes."""
        started = time.monotonic()
        while time.monotonic() < started + timeout:
            if self.process.poll() is not None:
                raise DemoError(f"the server ended with status {self.process.returncode}; its log: {self.log}")
            try:
                if requests.get(f"http://127.0.0.1:{self.rest_port}/readyz", timeout=2).status_code == 200:
                    return time.monotonic() - started
            except requests.ConnectionError:
                pass
            time.sleep(0.02)
        raise DemoError(f"the server is not ready after {timeout} s; its log: {self.log}")

    def stop(self) -> tuple[int, float]:
        """SIGTERM; exit status and seconds."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30), time.monotonic() - started

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class GrpcClient:
    """The stock tensorflow-serving-api client."""

    def __init__(self, port: int):
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        self._tensor = tf.make_tensor_proto
        self._numpy = tf.make_ndarray
        self._request = predict_pb2.PredictRequest
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, images: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """Version that answered, classes, probabilities."""
        request = self._request()
        request.model_spec.name = MODEL
        request.inputs["images"].CopyFrom(self._tensor(images))
        answer = self._stub.Predict(request, timeout=10)
        outputs = {name: self._numpy(tensor) for name, tensor in answer.outputs.items()}
        return answer.model_spec.version.value, outputs["classes"], outputs["probabilities"]


@dataclass
class Load:
    """Clients that ask as fast as they can until told to stop, each on its own connection."""

    server: Server
    image: np.ndarray
    class_of: dict[int, int]  # version -> what it says the image is; that is how a REST answer tells its version
    last_row: int
    started: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    answers: Counter = field(default_factory=Counter)  # (row, version or "failed") -> count
    totals: Counter = field(default_factory=Counter)  # protocol -> count
    first_answer: dict[int, float] = field(default_factory=dict)  # version -> when one client or another had its first
    first_failure: str = ""

    def __enter__(self) -> "Load":
        self.started = time.monotonic()
        self.threads = [threading.Thread(target=self._client, args=(protocol,))
                        for protocol, count in CLIENTS.items() for _ in range(count)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def _client(self, protocol: str) -> None:
        ask = self._grpc() if protocol == "gRPC" else self._rest()
        mine: Counter = Counter()
        while not self.stop.is_set():
            try:
                answered = ask()
            except Exception as error:  # any error at all is a failed request
                answered, self.first_failure = "failed", self.first_failure or f"{protocol}: {error}"
            if answered not in self.first_answer:
                self.first_answer[answered] = self.elapsed()
            mine[min(int(self.elapsed() / ROW_SECONDS), self.last_row), answered] += 1
        self.answers.update(mine)
        self.totals[protocol] += sum(mine.values())

    def _grpc(self):
        client, images = GrpcClient(self.server.grpc_port), self.image[np.newaxis]
        return lambda: client.predict(images)[0]

    def _rest(self):
        session, body = requests.Session(), {"instances": [self.image.tolist()]}
        version_of = {klass: version for version, klass in self.class_of.items()}

        def ask() -> int:
            answer = session.post(self.server.predict_url, json=body, timeout=10)
            answer.raise_for_status()
            return version_of[answer.json()["predictions"][0]["classes"]]

        return ask


def publish(trained: pathlib.Path, base_path: pathlib.Path, version: int) -> None:
    """Copies the version aside and renames it into place."""
    aside = base_path.parent / f"incoming-{version}"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(trained / str(version), aside)
    aside.rename(base_path / str(version))


def draw(image: np.ndarray) -> list[str]:
    return ["".join(SHADES[int(pixel) // 2] * 2 for pixel in row) for row in image.reshape(8, 8)]


def telling_image(trained: pathlib.Path, images: np.ndarray, labels: np.ndarray) -> tuple[int, dict[int, int]]:
    """The held-out image that version 2 knows best of those that version 1 gets wrong, and what each says it is."""
    import tensorflow as tf

    says, sure = {}, {}
    for version in (1, 2):
        serve = tf.saved_model.load(str(trained / str(version))).signatures["serving_default"]
        answer = serve(images=tf.constant(images))
        says[version], sure[version] = answer["classes"].numpy(), answer["probabilities"].numpy().max(axis=1)
    telling = (says[1] != labels) & (says[2] == labels)
    index = int(np.argmax(np.where(telling, sure[2], 0)))
    return index, {version: int(classes[index]) for version, classes in says.items()}


def show_question(server: Server, client: GrpcClient, image: np.ndarray, label: int) -> None:
    answer = requests.post(server.predict_url, json={"instances": [image.tolist()]}, timeout=10)
    answer.raise_for_status()
    row = answer.json()["predictions"][0]
    version, classes, probabilities = client.predict(image[np.newaxis])
    beside = {
        1: f"a handwritten {label}",
        3: f"REST  says {row['classes']}  ({max(row['probabilities']):.0%} sure)",
        4: f"gRPC  says {classes[0]}  ({probabilities.max():.0%} sure)  version {version}",
    }
    for number, line in enumerate(draw(image)):
        say(f"   {line}   {beside.get(number, '')}".rstrip())
    if row["classes"] != classes[0]:
        raise DemoError("REST and gRPC disagree")


def accuracy(client: GrpcClient, images: np.ndarray, labels: np.ndarray, expected_version: int) -> float:
    version, classes, _ = client.predict(images)
    if version != expected_version:
        raise DemoError(f"version {version} answered, expected {expected_version}")
    return float(np.mean(classes == labels))


def swap_under_load(server: Server, trained: pathlib.Path, base_path: pathlib.Path, image: np.ndarray,
                    class_of: dict[int, int], seconds: float) -> Load:
    rows = int(seconds / ROW_SECONDS)
    with Load(server, image, class_of, rows - 1) as load:
        time.sleep(seconds / 3)
        publish(trained, base_path, 2)
        published = load.elapsed()
        time.sleep(seconds * 2 / 3)
    say(f"   {'time':>6}{'version 1':>12}{'version 2':>12}{'failed':>9}")
    for row in range(rows):
        counts = [load.answers[row, who] for who in (1, 2, "failed")]
        note = "   <- version 2 published" if row == int(published / ROW_SECONDS) else ""
        say(f"   {row * ROW_SECONDS:5.1f}s{counts[0]:12}{counts[1]:12}{counts[2]:9}{note}")
    if 2 in load.first_answer:
        say(f"   version 2 answered {load.first_answer[2] - published:.1f} s after it was published: its files must be quiet for 1 s first")
    return load


def check_swap(load: Load) -> None:
    failed = sum(count for (_, who), count in load.answers.items() if who == "failed")
    by_version = {v: sum(count for (_, who), count in load.answers.items() if who == v) for v in (1, 2)}
    total = sum(load.totals.values())
    say(f"   {total} requests ({', '.join(f'{count} {name}' for name, count in load.totals.items())}), {failed} failed")
    if failed:
        raise DemoError(f"{failed} requests failed; the first: {load.first_failure}")
    if not all(by_version.values()):
        raise DemoError(f"both versions should have answered; answers: {by_version}")


def stop(server: Server) -> None:
    status, seconds = server.stop()
    if status != 0:
        raise DemoError(f"the server ended with status {status}; its log: {server.log}")
    say(f"   exit status 0 after {seconds:.1f} s")


def keep(server: Server, image: np.ndarray) -> None:
    pixels = ",".join(str(int(pixel)) for pixel in image)
    say(f"   process {server.process.pid}, log {server.log}; stop it with: kill {server.process.pid}\n")
    say(f"   curl -d '{{\"instances\": [[{pixels}]]}}' {server.predict_url}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baton", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--trained", type=pathlib.Path, required=True, help="what train.py made")
    parser.add_argument("--seconds", type=float, default=6, help="how long the load runs")
    parser.add_argument("--keep", action="store_true", help="leave the server running")
    options = parser.parse_args()

    work = options.trained.resolve().parent
    base_path = work / "models" / MODEL
    shutil.rmtree(base_path.parent, ignore_errors=True)
    base_path.mkdir(parents=True)
    publish(options.trained, base_path, 1)
    held_out = np.load(options.trained / "held_out.npz")
    images, labels = held_out["images"], held_out["labels"]
    index, class_of = telling_image(options.trained, images, labels)

    step("1  Start the server on version 1")
    server = Server(options.baton.resolve(), base_path, work / "baton.log")
    try:
        say(f"   ready after {server.wait_ready():.1f} s: gRPC on port {server.grpc_port}, REST on port {server.rest_port}")
        client = GrpcClient(server.grpc_port)

        step("2  Ask it over REST and with the stock tensorflow-serving-api client")
        show_question(server, client, images[index], labels[index])
        before = accuracy(client, images, labels, 1)

        step("3  Publish version 2 while four clients ask without pause")
        check_swap(swap_under_load(server, options.trained, base_path, images[index], class_of, options.seconds))

        step("4  Ask again")
        show_question(server, client, images[index], labels[index])
        after = accuracy(client, images, labels, 2)
        say(f"\n   of {len(labels)} images never seen in training, version 1 read {before:.0%} and version 2 {after:.0%}")
        if after <= before:
            raise DemoError("version 2 should read more than version 1")

        if options.keep:
            step("5  The server keeps running")
            keep(server, images[index])
        else:
            step("5  Stop it (SIGTERM)")
            stop(server)
    except BaseException:
        server.kill()
        raise
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DemoError, requests.RequestException) as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
