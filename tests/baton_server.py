"""Starts `baton serve` for a test: free ports, readiness without blind sleeping, logs kept for the failure report."""
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("BATON_BINARY", ROOT / "build/release/bin/baton"))
POLL_SECONDS = 0.02


def free_port() -> int:
    """A port nobody listens on, from below the kernel's ephemeral range so that no outgoing connection takes it."""
    while True:
        port = random.SystemRandom().randint(10000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


def wait_until(condition, what: str, timeout: float = 30.0, interval: float = POLL_SECONDS):
    """Calls `condition` until it returns something true, and returns that; AssertionError naming `what` otherwise."""
    deadline = time.monotonic() + timeout
    while True:
        if result := condition():
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still not so: {what}")
        time.sleep(interval)


class BatonServer:
    """One server process. Use as a context manager, or start() and stop(); flags are as on the command line."""

    def __init__(self, *flags: str, ready_timeout: float = 60.0):
        self.grpc_port, self.rest_port = free_port(), free_port()
        self.flags = [f"--port={self.grpc_port}", f"--rest_api_port={self.rest_port}", *flags]
        self.ready_timeout = ready_timeout
        self.log = tempfile.TemporaryFile(mode="w+", errors="replace")
        self.process: subprocess.Popen | None = None

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"

    def launch(self) -> "BatonServer":
        """Starts the process without waiting for it to be ready."""
        self.process = subprocess.Popen([BINARY, "serve", *self.flags], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT)
        return self

    def start(self) -> "BatonServer":
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def wait_ready(self) -> None:
        def ready_or_dead() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"baton ended with status {self.process.returncode}:\n{self.log_text()}")
            return self.is_ready()

        try:
            wait_until(ready_or_dead, "baton is ready", self.ready_timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_text()}") from None

    def is_ready(self) -> bool:
        """Whether /readyz says so and the gRPC port accepts."""
        try:
            socket.create_connection(("127.0.0.1", self.grpc_port), timeout=2).close()
            return self.get("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_end(self, timeout: float = 30.0) -> int:
        """Waits for the process to end by itself; its exit status."""
        return self.process.wait(timeout)

    def terminate(self, timeout: float = 30.0) -> int:
        """SIGTERM, then the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log_bytes(self) -> bytes:
        """Everything written to stdout and stderr so far."""
        return os.pread(self.log.fileno(), 1 << 24, 0)

    def log_text(self) -> str:
        return self.log_bytes().decode(errors="replace")

    def rss_bytes(self) -> int:
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process has no VmRSS")

    def request(self, method: str, path: str, body: bytes | str | None = None, headers: dict | None = None,
                timeout: float = 30.0) -> tuple[int, dict[str, str], bytes]:
        """One REST call on a connection of its own: status, headers with lower-case names, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **options):
        return self.request("GET", path, **options)

    def post(self, path: str, body, **options):
        return self.request("POST", path, body, **options)

    def __enter__(self) -> "BatonServer":
        return self.start()

    def __exit__(self, kind, value, traceback) -> None:
        if kind is not None and issubclass(kind, Exception):
            print(f"log of {' '.join(self.flags)}:\n{self.log_text()[-8000:]}")
        self.kill()
        self.log.close()


def config_text(models: list[dict]) -> str:
    """A ModelServerConfig in text form. A model: name, base_path and optionally policy and labels."""
    entries = []
    for model in models:
        extra = f" model_version_policy {{ {model['policy']} }}" if "policy" in model else ""
        for label, version in model.get("labels", {}).items():
            extra += f' version_labels {{ key: "{label}" value: {version} }}'
        entries.append(f'  config {{ name: "{model["name"]}" base_path: "{model["base_path"]}" '
                       f'model_platform: "tensorflow"{extra} }}')
    return "model_config_list {\n" + "\n".join(entries) + "\n}\n"
