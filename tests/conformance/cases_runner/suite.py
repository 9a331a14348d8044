"""The cases, their models, and running many of them at once."""
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys
import threading

from . import execute
from .servers import BinaryTarget
from .syntax import Case, ServerSpec, load

FOLDER = pathlib.Path(__file__).resolve().parent.parent
CASES = FOLDER / "cases"
RECORDED_MODELS = FOLDER / "observed/models"
MAKER = FOLDER / "models/make_models.py"
# Cases with a server of their own mostly wait, so that several run at once even on few cores.
ALONE_AT_ONCE = int(os.environ.get("CONFORMANCE_JOBS", "4"))


def made_models() -> pathlib.Path:
    """The folder of the made models, made once for each version of the script that makes them."""
    version = hashlib.sha256(MAKER.read_bytes()).hexdigest()[:12]
    folder = FOLDER.parent.parent / f"build/conformance-models/{version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = subprocess.run([sys.executable, str(MAKER), str(folder)], capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"make_models.py failed:\n{made.stderr[-3000:]}")
    return folder


def model_places() -> dict[str, str]:
    return {"MODELS": str(RECORDED_MODELS), "MADE": str(made_models())}


def load_cases() -> tuple[list[Case], dict[str, ServerSpec]]:
    return load(CASES)


def binary_target(label: str, binary: str, specs: dict[str, ServerSpec]) -> BinaryTarget:
    return BinaryTarget(label, binary, specs, model_places(), execute.begin_server)


class Run:
    """Cases asked of one target: those with servers of their own in the background, the others when their outcome is wanted."""

    def __init__(self, target, cases: list[Case], profiles: tuple[str, ...]):
        self.target, self.profiles = target, profiles
        self.pool = concurrent.futures.ThreadPoolExecutor(ALONE_AT_ONCE)
        self.background = {case.name: self.pool.submit(self.ask, case) for case in cases if case.is_alone}
        self.lock = threading.Lock()

    def ask(self, case: Case):
        return execute.run_as_any(case, self.target, self.profiles)

    def outcome(self, case: Case):
        if case.name in self.background:
            return self.background[case.name].result()
        return self.ask(case)

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.target.close()
