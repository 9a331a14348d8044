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
    # Where the real server dies by a signal: an error and exit 255.
    "batching_zero": {"exit": 255, "stdout": ["Failed to start server. Error: INVALID_ARGUMENT: "
                                              "input_batch_size_limit must be positive; was 0"]},
    "batching_neg_timeout": {"exit": 255, "stdout": ["Failed to start server. Error: INVALID_ARGUMENT: "
                                                     "batch_timeout_micros must be non-negative; was -5"]},
    "ssl_missing": {"exit": 255, "stderr": [],
                    "stdout": ["Failed to start server. Error: NOT_FOUND: /nonexistent; No such file or directory"]},
    "ssl_bad": {"exit": 255, "stderr": [],
                "stdout": ["Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '@FILES@/ssl.txt'"]},
    "ssl_garbage_keys": {"exit": 255, "stdout": ["Failed to start server. Error: INVALID_ARGUMENT: "
                                                 "Failed to BuildAndStart gRPC server"]},
    # A flag since 2.15.
    "mixed_precision_bad": {"stdout": [], "stderr": ["Running gRPC ModelServer at",
                                                     "--mixed_precision=float8 has no effect"]},
    "version": {"stdout": ["TensorFlow ModelServer: 2.", "TensorFlow Library: 2."]},
}


# Flags that the recorded server did not have yet; the health service's default is ours.
NEWER_FLAGS = ("mixed_precision", "skip_initialize_tpu", "enable_grpc_healthcheck_service",
               "xla_gpu_compilation_enabled", "enable_serialization_as_tensor_content")


def is_newer_flag(line: str) -> bool:
    return any(line.startswith(f"\t--{flag}=") for flag in NEWER_FLAGS)


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
            got = [line for line in text(out).splitlines() if not is_newer_flag(line)]
            for line, wanted in zip(got, expected_lines(case["stdout"], files)):
                if wanted.startswith("usage: "):
                    assert line.startswith("usage: ")
                else:
                    assert line.startswith(wanted)
            assert len(got) >= len(case["stdout"])
        finally:
            process.kill()
            process.wait()
