"""Shared by every pytest suite: the import path, and a clear word when there is no binary to test."""
import os
import pathlib
import sys

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import baton_server  # noqa: E402


@pytest.fixture(scope="session")
def baton_binary() -> pathlib.Path:
    if not baton_server.BINARY.exists():
        pytest.fail(f"{baton_server.BINARY} is not built: ./dev build")
    return baton_server.BINARY


@pytest.fixture(scope="session")
def models_dir() -> pathlib.Path:
    """The models that the recorded answers were asked of."""
    return baton_server.ROOT / "tests/conformance/observed/models"
