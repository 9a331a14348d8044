"""The recorded answers, the exceptions from them, and what "equal" means between a recorded answer and ours."""
import fnmatch
import json
import math
import pathlib
import struct
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
OBSERVED = HERE / "observed"
EXCEPTIONS = json.loads((HERE / "exceptions.json").read_text())

SMALLEST_NORMAL_FLOAT = 1.1754943508222875e-38


@dataclass(frozen=True)
class Exemption:
    """What exceptions.json says about one case; all empty for most."""

    skip: str = ""
    expect: dict | None = None
    ignore_members: tuple[str, ...] = ()
    approximate: bool = False
    rest: dict | None = None
    reason: str = ""

    @staticmethod
    def of(section: str, name: str) -> "Exemption":
        for pattern, row in EXCEPTIONS[section].items():
            if fnmatch.fnmatchcase(name, pattern):
                return Exemption(**{**row, "ignore_members": tuple(row.get("ignore_members", ()))})
        return Exemption()


def load_answers(kind: str) -> list[dict]:
    rows = [json.loads(line) for line in (OBSERVED / "answers.jsonl").read_text().splitlines()]
    return [row for row in rows if row["case"]["kind"] == kind]


def parse_json(body: bytes):
    """Servers write raw bytes into JSON strings, so bytes map to characters one to one."""
    return json.loads(body.decode("latin-1"))


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_float32(value: float) -> bytes | None:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return None


def same_number(recorded, ours, approximate: bool) -> bool:
    if isinstance(recorded, int) != isinstance(ours, int):
        return False  # 3 and 3.0 are different answers
    if recorded == ours or (math.isnan(recorded) and math.isnan(ours)):
        return math.copysign(1, recorded) == math.copysign(1, ours) or math.isnan(recorded)
    if isinstance(recorded, int):
        return False
    # More exact than the record is no deviation: longer doubles, denormals kept.
    if as_float32(recorded) is not None and as_float32(recorded) == as_float32(ours) and abs(ours) >= SMALLEST_NORMAL_FLOAT:
        return len(repr(ours)) >= len(repr(recorded)) or math.isclose(recorded, ours, rel_tol=1e-14)
    if recorded == 0:
        return abs(ours) < SMALLEST_NORMAL_FLOAT and math.copysign(1, recorded) == math.copysign(1, ours)
    return math.isclose(recorded, ours, rel_tol=1e-6 if approximate else 1e-14)


def difference(recorded, ours, exemption: Exemption = Exemption(), path: str = "$") -> str | None:
    """Where two JSON values first differ, None if nowhere. Member order is free, as protobuf maps have none."""
    if is_number(recorded) and is_number(ours):
        if same_number(recorded, ours, exemption.approximate):
            return None
    elif isinstance(recorded, dict) and isinstance(ours, dict):
        for key in sorted(recorded.keys() | ours.keys()):
            if key in exemption.ignore_members and (key in recorded) != (key in ours):
                continue
            if key not in recorded or key not in ours:
                return f"{path}: member {key!r} is only in {'the record' if key in recorded else 'our answer'}"
            if found := difference(recorded[key], ours[key], exemption, f"{path}.{key}"):
                return found
        return None
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for index, (left, right) in enumerate(zip(recorded, ours)):
            if found := difference(left, right, exemption, f"{path}[{index}]"):
                return found
        return None
    elif type(recorded) is type(ours) and recorded == ours:
        return None
    return f"{path}: recorded {recorded!r}, ours {ours!r}"
