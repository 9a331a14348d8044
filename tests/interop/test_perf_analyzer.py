"""Triton's load generator, perf_analyzer, in its mode for TensorFlow Serving, unchanged from the wheel of tritonclient."""
import csv
import json
import os
import pathlib
import subprocess
import sys

import pytest
from baton_server import BatonServer, config_text

PROGRAM = pathlib.Path(sys.prefix) / "bin/perf_analyzer"


@pytest.fixture(scope="module")
def server(baton_binary, tmp_path_factory, models_dir):
    config = tmp_path_factory.mktemp("perf_analyzer") / "models.config"
    config.write_text(config_text([{"name": "m", "base_path": str(models_dir / "half_plus_two"), "labels": {"stable": 123}}]))
    with BatonServer(f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models=true") as server:
        yield server


def analyze(server: BatonServer, *options: str) -> subprocess.CompletedProcess:
    """One run with short windows, of which any two are stable enough."""
    import nvidia.cuda_runtime
    libraries = pathlib.Path(nvidia.cuda_runtime.__path__[0]) / "lib"
    return subprocess.run(
        [PROGRAM, "--service-kind", "tfserving", "-i", "grpc", "-m", "m", "-u", server.grpc_address, "--shape", "x:1",
         "--measurement-interval", "200", "--stability-percentage", "999", *options],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)


@pytest.mark.parametrize("options", [
    (), ("-b", "8"), ("--concurrency-range", "1:4:3"), ("--request-rate-range", "200"), ("--request-count", "100"),
    ("-x", "stable"), ("--model-signature-name", "serving_default")],
    ids=["plain", "batches", "concurrency", "rate", "count", "label", "signature"])
def test_it_measures(server, tmp_path, options):
    done = analyze(server, "-f", str(tmp_path / "report.csv"), *options)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    assert "Service Kind: TENSORFLOW_SERVING" in done.stdout
    assert "error" not in (done.stdout + done.stderr).lower()
    with open(tmp_path / "report.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (2 if "1:4:3" in options else 1)
    assert all(float(row["Inferences/Second"]) > 50 for row in rows)


def test_it_takes_its_values_from_a_file(server, tmp_path):
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"data": [{"x": {"content": [2.0], "shape": [1]}}]}))
    assert analyze(server, "--input-data", str(inputs), "--request-count", "50").returncode == 0


def test_a_model_that_is_not_there_ends_it(server):
    done = analyze(server, "-m", "nosuch")
    assert done.returncode != 0
    assert "Servable not found for request: Latest(nosuch)" in done.stderr
