"""Start-ups as recorded of a real server: arguments and files in, exit status, stdout and the telling stderr lines out."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest
from baton_server import BINARY, ROOT, free_port, wait_until

RECORDED = json.loads((ROOT / "tests/conformance/observed/startup.json").read_text())
MODELS = ROOT / "tests/conformance/observed/models"

# Cases whose flags come with issue 4, by the flag; they are unknown arguments today.
LATER_FLAGS = ("enable_batching", "batching_parameters_file", "per_process_gpu_memory_fraction",
               "tensorflow_session_config_file", "tensorflow_session_parallelism", "platform_config_file",
               "ssl_config_file", "monitoring_config_file")
# What differs and why: replacements of recorded members.
DIFFERENT = {
    # 2.14 names the model in this text (contract 5.7).
    "config_noplatform": {"stdout": ["Failed to start server. Error: INVALID_ARGUMENT: Illegal setting neither "
                                     "ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
                                     "model name is q"]},
    # The real server aborts here (contract Q33: reject cleanly).
    "config_custom": {"exit": 255, "stdout": ["Failed to start server. Error: "], "stderr": []},
    # Both labels are refused; which one is named follows the order of a hash map there, of names here.
    "config_and_name": {"stdout": ["Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to "
                                   "version 10 of model versions, which is not currently available for inference"]},
    "version": {"stdout": ["TensorFlow ModelServer: 2.", "TensorFlow Library: 2."]},
    # Defaults that depend on the machine, and the flags of issue 4.
    "help": {"stdout": ["usage: ", "Flags:", "\t--port=8500                      \tint32"]},
}


def later_flag(case: dict) -> str | None:
    for argument in case["args"]:
        name = argument.lstrip("-").split("=")[0]
        if name in LATER_FLAGS:
            return name
    return None


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("files")
    for name, text in RECORDED["files"].items():
        (folder / name).write_text(text.replace("@MODELS@", str(MODELS)))
    return folder


def expected_lines(lines: list[str], files: pathlib.Path) -> list[str]:
    return [line.replace("@FILES@", str(files)).replace("@MODELS@", str(MODELS)) for line in lines]


def message_of(line: str) -> str:
    """A recorded stderr line without its place in TensorFlow Serving's source and the machine's addresses."""
    text = re.sub(r"^(\S+ \S+\] |\[\S+ \S+ \S+\] )", "", line)
    return re.sub(r"^(Running gRPC ModelServer at|Exporting HTTP/REST API at:).*", r"\1", text)


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_starts_or_fails_as_recorded(name, files, baton_binary):
    case = {**RECORDED["cases"][name], **DIFFERENT.get(name, {})}
    if flag := later_flag(case):
        pytest.skip(f"--{flag} comes with issue 4")
    ports: dict[str, int] = {}  # the recorded ports, each replaced by a free one

    def port(match) -> str:
        return match[1] + str(ports.setdefault(match[2], free_port()))

    arguments = [re.sub(r"^(--(?:rest_api_)?port=)(18\d+)$", port, a)
                 .replace("@MODELS@", str(MODELS)).replace("@FILES@", str(files)) for a in case["args"]]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([BINARY, "serve", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err)

        def text(file) -> str:
            return os.pread(file.fileno(), 1 << 22, 0).decode()

        try:
            messages = [message_of(line) for line in expected_lines(case["stderr"], files)
                        if " SavedModel load for tags" not in line]
            if case["running_after_5s"]:
                for message in messages:
                    wait_until(lambda m=message: m in text(err), f"stderr has {message!r}; it has {text(err)}", timeout=20)
                assert process.poll() is None
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0  # where the real server just dies, Baton stops in order
            else:
                assert process.wait(40) == case["exit"], text(err)
                for message in messages:
                    assert message in text(err)
            got = text(out).splitlines()
            for line, wanted in zip(got, expected_lines(case["stdout"], files)):
                if wanted.startswith("usage: "):
                    assert line.startswith("usage: ")
                else:
                    assert line.startswith(wanted)
            assert len(got) >= len(case["stdout"])
        finally:
            process.kill()
            process.wait()
