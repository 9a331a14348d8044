"""--grpc_max_threads and --rest_api_num_threads: calls above the limit wait; the real server refuses or hangs there."""
import concurrent.futures
import json
import urllib.request

import pytest
from baton_server import ROOT, BatonServer
from stock_client import StockClient, half

MODEL = ROOT / "tests/conformance/observed/models/half_plus_two"
CALLS = 60


@pytest.fixture(scope="module")
def server():
    with BatonServer("--model_name=half_plus_two", f"--model_base_path={MODEL}", "--grpc_max_threads=1",
                     "--rest_api_num_threads=1") as started:
        yield started


def test_rest_with_one_thread_answers_everybody(server):
    def call(number: int) -> float:
        request = urllib.request.Request(f"{server.rest_url}/v1/models/half_plus_two:predict",
                                         data=json.dumps({"instances": [number]}).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["predictions"][0]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert list(pool.map(call, range(CALLS))) == [n / 2 + 2 for n in range(CALLS)]


def test_grpc_with_one_thread_answers_everybody(server):
    with StockClient(server.grpc_address) as client, concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = pool.map(lambda n: half(client.predict("half_plus_two", {"x": [float(n)]}, timeout=30)), range(CALLS))
        assert list(answers) == [n / 2 + 2 for n in range(CALLS)]
