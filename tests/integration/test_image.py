"""The container image without a container engine: the root file system of the image, in namespaces of its own with a read-only root
(scripts/run_rootfs.sh), asked what the TensorFlow Serving project asks of its images, and what operators ask of ours."""
import ctypes
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest
from baton_server import BINARY, ROOT, config_text, wait_until
from official_models import models
from stock_client import StockClient, half

IMAGE = ROOT / "build/test-image"
USER = "65532"
NEEDED = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]


class Container:
    """`docker run` of the image: volumes map folders to paths in the container; arguments go to the entry point."""

    def __init__(self, log: pathlib.Path, *arguments: str, variables: dict | None = None, volumes: dict | None = None):
        options = [word for name, value in (variables or {}).items() for word in ("-e", f"{name}={value}")]
        options += [word for folder, path in (volumes or {}).items() for word in ("-v", f"{folder}:{path}")]
        self.log_path = log
        with open(log, "w") as file:
            self.process = subprocess.Popen([ROOT / "scripts/run_rootfs.sh", *options, IMAGE, *arguments], stdin=subprocess.DEVNULL,
                                            stdout=file, stderr=file)

    def __enter__(self) -> "Container":
        self.wait_for_log("Exporting HTTP/REST API")
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()  # and with it all that runs inside
        self.process.wait()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text: str) -> None:
        def said_or_dead() -> bool:
            assert self.process.poll() is None, f"status {self.process.returncode}: {self.log()}"
            return text in self.log()

        wait_until(said_or_dead, f"the log says {text!r}")

    @property
    def server(self) -> int:
        """Outside, the number of what is process 1 inside."""
        pid = self.process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def command_line(self) -> list[str]:
        return pathlib.Path(f"/proc/{self.server}/cmdline").read_text().split("\0")[:-1]

    def status(self, field: str) -> list[str]:
        return re.search(rf"^{field}:(.*)$", pathlib.Path(f"/proc/{self.server}/status").read_text(), re.M)[1].split()

    def run(self, *command: str, user: str = USER) -> subprocess.CompletedProcess:
        """`docker exec`."""
        enter = ["nsenter", "-t", str(self.server), "-m", "-n", "-p", "-r", "-w", "-S", user, "-G", user]
        return subprocess.run([*enter, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)

    def ask(self, path: str, body: dict | None = None, port: int = 8501) -> tuple[int, str]:
        """One REST call from inside the container's network, which only a thread of ours enters."""
        answer = []

        def call() -> None:
            network = os.open(f"/proc/{self.server}/ns/net", os.O_RDONLY)
            assert ctypes.CDLL(None, use_errno=True).setns(network, 0) == 0, os.strerror(ctypes.get_errno())
            os.close(network)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST" if body else "GET", path, json.dumps(body) if body else None)
            response = connection.getresponse()
            answer.append((response.status, response.read().decode()))
            connection.close()

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        assert answer, f"no answer of {path}: {self.log()}"
        return answer[0]

    def predict(self, model: str, **options) -> str:
        """The official question; the answer without white space."""
        status, text = self.ask(f"/v1/models/{model}:predict", {"instances": [1.0, 2.0, 5.0]}, **options)
        assert status == 200, text
        return re.sub(r"\s", "", text)


OFFICIAL_ANSWER = '{"predictions":[2.5,3.0,4.5]}'


@pytest.fixture(scope="module")
def image(baton_binary) -> pathlib.Path:
    if os.geteuid() != 0:
        pytest.skip("only root may make and enter a root file system")
    refused = subprocess.run(NEEDED, capture_output=True, text=True)
    if refused.returncode != 0:
        pytest.skip(f"this machine lets not even root have namespaces: {refused.stderr.strip()}")
    made = subprocess.run([ROOT / "scripts/make_rootfs.sh", BINARY.parent.parent, IMAGE], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    assert made.returncode == 0, f"{made.stdout[-2000:]}\n{made.stderr[-4000:]}"
    return IMAGE


@pytest.fixture(scope="module")
def made() -> pathlib.Path:
    return models()


@pytest.fixture
def run(image, tmp_path):
    """run(...): a Container; its folders may be read by the container's user."""
    tmp_path.chmod(0o755)
    return lambda *arguments, **options: Container(tmp_path / "log", *arguments, **options)


@pytest.fixture
def half_plus_two(run, made):
    def started(*arguments: str, **options) -> Container:
        variables = {"MODEL_NAME": "half_plus_two", **options.pop("variables", {})}
        volumes = {made / "half_plus_two": "/models/half_plus_two", **options.pop("volumes", {})}
        return run(*arguments, variables=variables, volumes=volumes, **options)

    return started


@pytest.fixture
def config(made, tmp_path):
    """A folder with a configuration of several models, as a volume."""
    folder = tmp_path / "config"
    folder.mkdir(mode=0o755)
    names = ["half_plus_two", "half_plus_three"]
    (folder / "models.config").write_text(config_text([{"name": name, "base_path": f"/models/{name}"} for name in names]))
    return {folder: "/models/config"} | {made / name: f"/models/{name}" for name in names}


def test_the_official_question(half_plus_two):
    with half_plus_two() as container:
        assert container.predict("half_plus_two") == OFFICIAL_ANSWER


def test_without_a_name_the_model_is_called_model(run, made):
    with run(volumes={made / "half_plus_two": "/models/model"}) as container:
        assert container.predict("model") == OFFICIAL_ANSWER


def test_arguments_of_the_container_come_last_and_win(run, config):
    arguments = ["--model_config_file=/models/config/models.config", "--rest_api_port=8601"]
    with run(*arguments, volumes=config) as container:
        assert container.command_line() == [
            "tensorflow_model_server", "--port=8500", "--rest_api_port=8501", "--model_name=model", "--model_base_path=/models/model",
            *arguments]
        assert container.predict("half_plus_two", port=8601) == OFFICIAL_ANSWER
        assert container.predict("half_plus_three", port=8601) == '{"predictions":[3.5,4.0,5.5]}'
        assert container.run("/usr/bin/baton_healthcheck.sh").returncode == 0


def test_variables_of_the_images_for_onednn_become_flags(half_plus_two):
    with half_plus_two(variables={"TENSORFLOW_INTRA_OP_PARALLELISM": "2", "TENSORFLOW_INTER_OP_PARALLELISM": "1"}) as container:
        assert container.command_line()[-2:] == ["--tensorflow_intra_op_parallelism=2", "--tensorflow_inter_op_parallelism=1"]


def test_the_server_is_process_1_without_root_and_without_a_disk_to_write(half_plus_two):
    with half_plus_two() as container:
        assert (container.status("NSpid")[-1], container.command_line()[0]) == ("1", "tensorflow_model_server")
        assert container.status("Uid") == container.status("Gid") == [USER] * 4
        assert container.status("CapEff") == ["0" * 16]
        for user in (USER, "0"):
            for path in ("/new", "/tmp/new", "/models/new", "/usr/bin/tensorflow_model_server"):
                tried = container.run("/bin/bash", "-c", f": >{path}", user=user)
                assert tried.returncode != 0 and "Read-only file system" in tried.stderr, (user, path, tried.stderr)
        assert container.predict("half_plus_two") == OFFICIAL_ANSWER


def test_a_request_under_way_is_answered_before_sigterm_ends_the_container_with_status_0(run, made):
    with run(variables={"MODEL_NAME": "slow"}, volumes={made / "slow": "/models/slow"}) as container:
        answers = []
        asker = threading.Thread(target=lambda: answers.append(container.predict("slow")))
        asker.start()
        wait_until(lambda: "\nbaton_running_calls 1\n" in container.ask("/metrics")[1], "the run has begun")
        os.kill(container.server, signal.SIGTERM)
        assert container.process.wait(20) == 0
        asker.join()
        assert answers == [OFFICIAL_ANSWER]


def test_the_health_check_follows_readiness(half_plus_two):
    check = "/usr/bin/baton_healthcheck.sh"
    with half_plus_two("--drain_delay_seconds=30") as container:
        assert container.run(check).returncode == 0
        os.kill(container.server, signal.SIGTERM)
        wait_until(lambda: container.ask("/readyz")[0] == 503, "readiness is off")
        assert container.run(check).returncode == 1
        assert container.predict("half_plus_two") == OFFICIAL_ANSWER


def test_the_health_check_without_rest(half_plus_two):
    container = half_plus_two("--rest_api_port=0")
    try:
        container.wait_for_log("Running gRPC ModelServer at 0.0.0.0:8500")
        wait_until(lambda: container.run("/usr/bin/baton_healthcheck.sh").returncode == 0, "it is healthy")
    finally:
        container.__exit__()


def test_grpc_through_a_socket_on_a_volume(half_plus_two, tmp_path):
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    os.chown(sockets, int(USER), int(USER))
    with half_plus_two("--grpc_socket_path=/sockets/grpc", volumes={sockets: "/sockets"}):
        with StockClient(f"unix:{sockets}/grpc") as client:
            assert half(client.predict("half_plus_two", {"x": [2.0]})) == 3.0


def test_tflite_models_are_served_too(run, made):
    with run("--prefer_tflite_model=true", volumes={made / "lite": "/models/model"}) as container:
        assert container.ask("/v1/models/model:predict", {"inputs": [2.0]}) == (200, '{\n    "outputs": [\n        3.0\n    ]\n}')


def test_nothing_in_it_names_the_machine_it_was_built_on(image):
    files = [image / "usr/bin/baton", *(image / "usr/lib/baton/engines").iterdir()]
    assert {"baton_engine_tensorflow.so", "libtensorflow_cc.so.2"} <= {file.name for file in files}
    told = subprocess.run(["readelf", "-d", *files], capture_output=True, text=True, check=True).stdout
    paths = [path for line in re.findall(r"Library (?:runpath|rpath): \[(.*)\]", told) for path in line.split(":")]
    assert paths and all(path.startswith("$ORIGIN") for path in paths), paths


def test_the_dockerfile_says_what_images_of_tensorflow_serving_say():
    lines = (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", " ").splitlines()
    last_stage = lines[lines.index("FROM scratch"):]
    said = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in last_stage if " " in line}
    assert said["EXPOSE"] == "8500 8501"
    assert {"MODEL_BASE_PATH=/models", "MODEL_NAME=model"} <= set(said["ENV"].split())
    assert said["ENTRYPOINT"] == '["/usr/bin/tf_serving_entrypoint.sh"]'
    assert said["USER"] == f"{USER}:{USER}"
    assert "baton_healthcheck.sh" in said["HEALTHCHECK"]
