"""h2spec against the transport: every case passes or is explained in allowed_failures.txt."""
import subprocess
import sys

import pytest

from baton_server import ROOT

HERE = ROOT / "tests/h2spec"
ECHO_SERVER = ROOT / "build/release/src/net/http2_echo_server"


@pytest.mark.timeout(600)
def test_every_case_passes_or_is_explained():
    with subprocess.Popen([ECHO_SERVER, "0", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        ready, http2, _ = server.stdout.readline().split()
        assert ready == "ready"
        done = subprocess.run([sys.executable, HERE / "run.py", http2.removeprefix("http2=")], capture_output=True, text=True, check=False)
        server.stdin.close()
        assert server.wait(30) == 0
    assert done.returncode == 0, done.stdout + done.stderr
