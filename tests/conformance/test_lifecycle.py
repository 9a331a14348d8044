"""Replays the recorded life-cycle scenarios: versions that come, go, break and are overwritten under a running server."""
import json
import os
import pathlib
import shutil
import time

import pytest

from baton_server import POLL_SECONDS, BatonServer, wait_until
from recorded import OBSERVED, Exemption, difference, parse_json

MODELS = OBSERVED / "models"
SCENARIOS = {row["scenario"]: row["steps"] for row in json.loads((OBSERVED / "lifecycle.json").read_text())}
# The recorded questions ask for x = 2 of models whose version n answers x / 2 + n.
QUESTION = '{"instances":[2.0]}'
FLAGS = ["--max_num_load_retries=1", "--load_retry_interval_micros=500000"]
# Two polls of the file system (one a second) and a load: after that, what was to happen has happened.
SETTLE_SECONDS = 2.5
CHANGE_SECONDS = 15
PREDICT_PATHS = {"predict": "", "predict_v1": "/versions/1", "predict_v2": "/versions/2", "predict_v10": "/versions/10"}


class ModelFolder:
    """A model's base path and what the scenarios do to it."""

    def __init__(self, base: pathlib.Path):
        self.base = base
        self.count = 0
        base.mkdir()

    def publish(self, name: str, source: str) -> None:
        """Copies elsewhere, then renames, as a publisher should."""
        self.count += 1
        aside = self.base.parent / f"incoming-{self.count}"
        shutil.copytree(MODELS / source, aside)
        aside.rename(self.base / name)

    def remove(self, name: str) -> None:
        """Renames away, then deletes: a poll sees the whole version or none of it."""
        self.count += 1
        aside = self.base.parent / f"outgoing-{self.count}"
        (self.base / name).rename(aside)
        shutil.rmtree(aside)


def replace_quickly(folder: ModelFolder) -> None:
    folder.publish(".5.new", "versions/10")
    (folder.base / "5").rename(folder.base / ".5.old")
    (folder.base / ".5.new").rename(folder.base / "5")
    shutil.rmtree(folder.base / ".5.old")


def remove_base(folder: ModelFolder) -> None:
    folder.base.rename(folder.base.parent / "base-gone")
    shutil.rmtree(folder.base.parent / "base-gone")


def odd_names(folder: ModelFolder) -> None:
    folder.publish("1", "versions/1")
    folder.publish("abc", "versions/2")
    folder.publish("0003", "versions/10")
    (folder.base / "7").write_text("not a directory")


def two_at_start(folder: ModelFolder) -> None:
    folder.publish("1", "versions/1")
    folder.publish("2", "versions/2")


def broken_at_start(folder: ModelFolder) -> None:
    folder.publish("1", "versions/1")
    folder.publish("2", "broken/3")


ACTIONS = {
    "latest/one version": lambda folder: folder.publish("1", "versions/1"),
    "latest/version 2 added": lambda folder: folder.publish("2", "versions/2"),
    "latest/version 10 added": lambda folder: folder.publish("10", "versions/10"),
    "latest/version 10 removed": lambda folder: folder.remove("10"),
    "latest/empty dir 11 added": lambda folder: os.mkdir(folder.base / "11"),
    "latest/empty dir 11 later": lambda folder: None,
    "latest/broken 12 added": lambda folder: folder.publish("12", "broken/3"),
    "latest/broken 12 later": lambda folder: None,
    "latest/good 13 added": lambda folder: folder.publish("13", "versions/1"),
    "latest/base path removed": remove_base,
    "latest/base path back, empty": lambda folder: folder.base.mkdir(),
    "latest/version 14": lambda folder: folder.publish("14", "versions/1"),
    "odd names/dirs 1, abc, 0003; file 7": odd_names,
    "start with two/two": two_at_start,
    "start with two/0 added": lambda folder: folder.publish("0", "versions/1"),
    "latest broken at start/2 broken, 1 good": broken_at_start,
    "overwrite in place/5": lambda folder: folder.publish("5", "versions/1"),
    "overwrite in place/5 replaced quickly": replace_quickly,
    "overwrite in place/5 removed, seen, put back": None,  # needs to see the removal; see put_back
}


def put_back(folder: ModelFolder, server: BatonServer) -> None:
    folder.remove("5")
    wait_until(lambda: server.post("/v1/models/m:predict", QUESTION)[0] == 404, "version 5 is gone")
    folder.publish("5", "versions/10")


def answers(server: BatonServer, questions) -> dict:
    ours = {}
    for question in questions:
        if question == "status":
            ours[question] = server.get("/v1/models/m")
        else:
            ours[question] = server.post(f"/v1/models/m{PREDICT_PATHS[question]}:predict", QUESTION)
    return ours


def step_difference(server: BatonServer, base: pathlib.Path, recorded: dict) -> str | None:
    for question, (status, _, body) in answers(server, recorded).items():
        expected_status, expected_body = recorded[question]
        if status != expected_status:
            return f"{question}: recorded {expected_status}, ours {status} {body!r}"
        expected = json.loads(expected_body.replace("@BASE@", str(base)))
        if found := difference(expected, parse_json(body)):
            return f"{question}: {found}"
    return None


def expect_step(server: BatonServer, base: pathlib.Path, recorded: dict, changes: bool) -> None:
    """A change is waited for; a step after which nothing may change is given the time to go wrong."""
    deadline = time.monotonic() + (CHANGE_SECONDS if changes else SETTLE_SECONDS)
    while True:
        found = step_difference(server, base, recorded)
        if changes and found is None:
            return
        if time.monotonic() > deadline or not changes:
            assert found is None, found
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)


def questions_of(scenario: str, step: dict) -> dict:
    """The step's recorded answers, less those that exceptions.json replaces."""
    recorded = {name: step[name] for name in ("status", *PREDICT_PATHS) if name in step}
    return recorded | (Exemption.of("lifecycle", f"{scenario}/{step['step']}").expect or {})


@pytest.mark.timeout(180)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_goes_as_recorded(baton_binary, tmp_path, scenario):
    exemption = Exemption.of("lifecycle", scenario)
    if exemption.skip:
        pytest.skip(exemption.skip)
    folder = ModelFolder(tmp_path / "m")
    first, *later = SCENARIOS[scenario]
    ACTIONS[f"{scenario}/{first['step']}"](folder)
    server = BatonServer("--model_name=m", f"--model_base_path={folder.base}", *FLAGS)
    if questions_of(scenario, first)["status"][0] == 0:
        with_end = server.launch()
        assert with_end.wait_end() == 255
        assert "servable(s) did not become available" in with_end.log_text()
        return
    with server:
        previous = questions_of(scenario, first)
        expect_step(server, folder.base, previous, changes=True)
        for step in later:
            name = f"{scenario}/{step['step']}"
            if Exemption.of("lifecycle", name).skip:
                continue
            if ACTIONS[name] is None:
                put_back(folder, server)
            else:
                ACTIONS[name](folder)
            recorded = questions_of(scenario, step)
            changed = any(recorded[key] != previous.get(key, recorded[key]) for key in recorded)
            try:
                expect_step(server, folder.base, recorded, changed)
            except BaseException as error:
                raise AssertionError(f"at step {step['step']!r}: {error}") from error
            previous = recorded
