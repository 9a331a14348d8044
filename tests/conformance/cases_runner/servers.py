"""The servers that cases are asked of: our own processes, one for each configuration, or one that runs elsewhere."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from baton_server import free_port

from .grpc_client import open_channel
from .syntax import ServerSpec

POLL_SECONDS = 0.02
READY_SECONDS = 60
FOLDER = pathlib.Path(__file__).resolve().parent.parent


class NotPossible(Exception):
    """This target cannot be asked this case; the text says why."""


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


class Server:
    """Something that answers: the two addresses and open channels."""

    def __init__(self, grpc_address: str, rest_address: str):
        self.grpc_address, self.rest_address = grpc_address, rest_address
        self.channels, self.lock = {}, threading.Lock()

    def channel(self, over: str = ""):
        with self.lock:
            if over not in self.channels:
                self.channels[over] = open_channel(over, self.grpc_address)
            return self.channels[over]

    def places(self) -> dict[str, str]:
        return {"PORT": self.grpc_address.rpartition(":")[2], "REST": self.rest_address.rpartition(":")[2]}

    def close(self) -> None:
        for channel in self.channels.values():
            channel.close()


class Process(Server):
    """A server process of ours."""

    def __init__(self, binary: str, arguments: list[str], bare: bool = False, cwd=None):
        self.grpc_port, self.rest_port = free_port(), free_port()
        super().__init__(f"127.0.0.1:{self.grpc_port}", f"127.0.0.1:{self.rest_port}")
        arguments = [a.replace("@PORT@", str(self.grpc_port)).replace("@REST@", str(self.rest_port)) for a in arguments]
        if not bare:
            arguments = self.ports(arguments) + arguments
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        command = [binary, "serve"] if os.path.basename(binary) == "baton" else [binary]
        self.process = subprocess.Popen(command + arguments, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        cwd=cwd)

    def ports(self, arguments: list[str]) -> list[str]:
        given = {a.split("=")[0]: a.split("=")[-1] for a in arguments}
        self.grpc_port = int(given.get("--port", self.grpc_port))
        self.rest_port = int(given.get("--rest_api_port", self.rest_port))
        both = {"--port": self.grpc_port, "--rest_api_port": self.rest_port}
        return [f"{name}={port}" for name, port in both.items() if name not in given]

    def text(self, file) -> bytes:
        return os.pread(file.fileno(), 1 << 24, 0)

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def is_ready(self) -> bool:
        return all(accepts(port) for port in (self.grpc_port, self.rest_port) if port)

    def wait_ready(self, seconds: float = READY_SECONDS) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_alive():
            if self.is_ready():
                return self.is_alive()
            time.sleep(POLL_SECONDS)
        return False

    def wait_end(self, seconds: float) -> int | None:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        super().close()
        if self.is_alive():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.out.close()
        self.err.close()


class RemoteTarget:
    """A server that somebody else started with one of our configurations (`runner.py prepare`)."""

    can_start = False

    def __init__(self, label: str, grpc_address: str, rest_address: str, configuration: str, places: dict[str, str]):
        self.label, self.configuration, self.fixed_places = label, configuration, places
        self.server = Server(grpc_address, rest_address)

    def shared(self, name: str) -> Server:
        if name != self.configuration:
            raise NotPossible(f"needs the configuration {name!r}")
        if not self.server.rest_address and not self.server.grpc_address:
            raise NotPossible("no address")
        return self.server

    def alone(self, name: str, folder: pathlib.Path):
        raise NotPossible("needs a server of its own (--binary)")

    def places(self) -> dict[str, str]:
        return self.fixed_places

    def close(self) -> None:
        self.server.close()


class BinaryTarget:
    """A server program of which every configuration is started when first needed."""

    can_start = True

    def __init__(self, label: str, binary: str, specs: dict[str, ServerSpec], models: dict[str, str], run_steps):
        """`run_steps(spec, target, server, places)` asks the questions that a configuration begins with."""
        self.label, self.binary, self.specs, self.models = label, binary, specs, models
        self.run_steps = run_steps
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="conformance-"))
        self.lock, self.started, self.locks, self.all = threading.Lock(), {}, {}, []

    def places(self) -> dict[str, str]:
        return self.models

    def shared(self, name: str) -> Server:
        with self.lock:
            lock = self.locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self.started:
                try:
                    self.started[name] = self.start(name, self.folder / name)
                except Exception as error:  # every case of this configuration shall say so, without another try
                    self.started[name] = error
            if isinstance(self.started[name], Exception):
                raise self.started[name]
            return self.started[name]

    def alone(self, name: str, folder: pathlib.Path) -> Process:
        return self.start(name, folder)

    def start(self, name: str, folder: pathlib.Path) -> Process:
        spec = self.specs[name]
        folder.mkdir(parents=True, exist_ok=True)
        places = {**self.models, "FILES": str(folder), "DIR": str(folder)}
        flags = prepare(spec, self.specs, folder, places)
        process = self.launch(flags)
        if not process.wait_ready():
            log = process.text(process.out).decode(errors="replace") + process.text(process.err).decode(errors="replace")
            process.close()
            raise RuntimeError(f"the server {name!r} did not start: {' '.join(flags)}\n{log[-3000:]}")
        process.files = folder
        for each in chain_of(spec, self.specs):
            self.run_steps(each, self, process, {**places, **process.places()})
        return process

    def launch(self, flags: list[str], bare: bool = False, cwd=None) -> Process:
        process = Process(self.binary, flags, bare, cwd)
        self.all.append(process)
        return process

    def close(self) -> None:
        for process in self.all:
            if not process.out.closed:
                process.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def fill(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text


def chain_of(spec: ServerSpec, specs: dict[str, ServerSpec]) -> list[ServerSpec]:
    """A configuration after those that it is `like`."""
    return [*chain_of(specs[spec.like], specs), spec] if spec.like else [spec]


def prepare(spec: ServerSpec, specs: dict[str, ServerSpec], folder: pathlib.Path, places: dict[str, str]) -> list[str]:
    """Writes the files of a configuration and returns its flags."""
    flags, config = [], None
    for each in chain_of(spec, specs):
        for name, text in each.files.items():
            (folder / name).write_text(fill(str(text), places))
        for command in each.commands:
            subprocess.run(fill(command, places), shell=True, check=True, cwd=folder, capture_output=True)
        flags += each.flags
        config = each.config or config
    if config is not None:
        (folder / "models.config").write_text(fill(str(config), places))
        flags = [f"--model_config_file={folder}/models.config", *flags]
    return [fill(flag, places) for flag in flags]
