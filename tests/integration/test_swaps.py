"""Versions that come and go under load, and directories that arrive slowly."""
import json
import shutil
import threading
import time

import pytest

from baton_server import BatonServer, wait_until
from stock_client import StockClient, half

SWAPS = 100
REQUESTS = 10_000
CALLERS = 4


def serving(server: BatonServer) -> set[int]:
    _, _, body = server.get("/v1/models/m")
    return {int(row["version"]) for row in json.loads(body)["model_version_status"] if row["state"] == "AVAILABLE"}


class Callers:
    """Threads that predict without pause, each on a channel of its own."""

    def __init__(self, address: str):
        self.address, self.stopping = address, threading.Event()
        self.answers, self.failures = [0] * CALLERS, []
        self.threads = [threading.Thread(target=self._call, args=(index,)) for index in range(CALLERS)]

    def _call(self, index: int) -> None:
        with StockClient(self.address) as client:
            while not self.stopping.is_set():
                try:
                    # Odd versions answer x / 2 + 1, even ones x / 2 + 2: a version and a value that do not fit are a failure.
                    answer = client.predict("m", {"x": [2.0]})
                    assert half(answer) == 2.0 + (answer.model_spec.version.value % 2 == 0)
                    self.answers[index] += 1
                except Exception as error:
                    self.failures.append(str(error))

    def __enter__(self) -> "Callers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.timeout(600)
def test_a_hundred_swaps_lose_no_request_and_keep_no_memory(baton_binary, tmp_path, publish):
    base = tmp_path / "m"
    publish(base, 1, "versions/1")
    # Versions arrive by rename, so there is nothing to wait out.
    with BatonServer("--model_name=m", f"--model_base_path={base}", "--version_settle_millis=0") as server:
        with Callers(server.grpc_address) as callers:
            rss_after = {}
            for version in range(2, SWAPS + 2):
                assert callers.failures == []
                publish(base, version, f"versions/{2 - version % 2}")
                wait_until(lambda: serving(server) == {version}, f"version {version} alone is served")
                shutil.rmtree(base / str(version - 1))
                rss_after[version - 1] = server.rss_bytes()
            wait_until(lambda: sum(callers.answers) >= REQUESTS, "enough requests", timeout=120)
        assert callers.failures == []
        assert sum(callers.answers) >= REQUESTS
        growth = rss_after[SWAPS] / rss_after[10] - 1
        assert growth < 0.05, f"RSS grew by {growth:.1%}: {rss_after[10]} -> {rss_after[SWAPS]}"


def test_a_version_that_is_still_being_copied_is_not_loaded_half(baton_binary, tmp_path, publish, models_dir):
    base = tmp_path / "m"
    publish(base, 1, "versions/1")
    source = models_dir / "versions/2"
    with BatonServer("--model_name=m", f"--model_base_path={base}", "--max_num_load_retries=0") as server:
        # As `cp -r` over a slow network: a piece every now and then, the graph first and cut in the middle, for two polls.
        (base / "2/variables").mkdir(parents=True)
        files = ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
        pieces = [(name, (source / name).read_bytes()) for name in files]
        for name, content in pieces:
            with (base / "2" / name).open("wb") as out:
                for start in range(0, len(content), len(content) // 8 + 1):
                    out.write(content[start:start + len(content) // 8 + 1])
                    out.flush()
                    assert serving(server) == {1}
                    time.sleep(0.1)
        wait_until(lambda: serving(server) == {2}, "version 2 is served")
        _, _, body = server.get("/v1/models/m")
        assert [row["status"]["error_code"] for row in json.loads(body)["model_version_status"]] == ["OK", "OK"]
