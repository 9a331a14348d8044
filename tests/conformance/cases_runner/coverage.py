"""Which rows of the contract are proven, and by what. rows.json is the index of rows; the cases say what they prove."""
import json
import pathlib
from dataclasses import dataclass, field

from .syntax import Case

ROWS = pathlib.Path(__file__).resolve().parent.parent / "rows.json"
TESTS = ROWS.parent.parent.parent


@dataclass
class Row:
    """One row of the contract: proven by cases or by tests `elsewhere`, or not to be seen from outside, and why."""

    id: str
    section: str
    words: str
    elsewhere: list[str] = field(default_factory=list)
    unobservable: str = ""
    cases: list[str] = field(default_factory=list)

    @property
    def is_covered(self) -> bool:
        return bool(self.cases or self.elsewhere)


def load_rows() -> dict[str, Row]:
    return {row["id"]: Row(**row) for row in json.loads(ROWS.read_text())}


def assign(cases: list[Case]) -> tuple[dict[str, Row], list[str]]:
    """The rows with their cases, and what is wrong with the two: unknown rows, tests that do not exist."""
    rows, wrong = load_rows(), []
    for case in cases:
        for name in case.proves:
            if name in rows:
                rows[name].cases.append(case.name)
            else:
                wrong.append(f"{case.file}:{case.line}: {case.name} proves {name!r}, which rows.json does not have")
    for row in rows.values():
        for place in row.elsewhere:
            if problem := missing_test(place):
                wrong.append(f"rows.json: {row.id}: {problem}")
    for case in cases:
        quirks = [name for name in case.proves if name.startswith("Q")]
        if case.decision and not quirks:
            wrong.append(f"{case.file}:{case.line}: {case.name} decides about no quirk")
    decided = {name for case in cases if case.decision for name in case.proves if name.startswith("Q")}
    for row in rows.values():
        if row.section == "14" and row.cases and row.id not in decided:
            wrong.append(f"rows.json: {row.id}: no case decides: keep or fix")
    return rows, wrong


def missing_test(place: str) -> str | None:
    """`path::name`: the file exists and holds the name (or, for C++, `Suite.Name` as `Suite, Name`)."""
    path, _, name = place.partition("::")
    file = TESTS / path
    if not file.exists():
        return f"no file {path}"
    text = file.read_text(errors="replace")
    if name and name not in text and name.replace(".", ", ") not in text:
        return f"{path} has no {name}"
    return None


def section_key(section: str) -> list[int]:
    return [int(part) for part in section.split(".")]


def report(cases: list[Case], is_long: bool) -> str:
    """Rows covered of the rows that can be seen, by section; what is missing by name."""
    rows, wrong = assign(cases)
    lines = [f"{'section':>8}  covered  of  not observable"]
    seen = [row for row in rows.values() if row.is_covered or not row.unobservable]
    for section in sorted({row.section for row in rows.values()}, key=section_key):
        mine = [row for row in seen if row.section == section]
        hidden = sum(row.section == section for row in rows.values()) - len(mine)
        covered = sum(row.is_covered for row in mine)
        lines.append(f"{section:>8}  {covered:>7}  {len(mine):>3}  {hidden or '':>3}{'' if covered == len(mine) else '   <'}")
    covered = sum(row.is_covered for row in seen)
    missing = [row for row in seen if not row.is_covered]
    if missing:
        lines += ["", "missing:"] + [f"  {row.id}: {row.words}" for row in missing]
    if is_long:
        lines += ["", "not observable from outside:"]
        lines += [f"  {row.id}: {row.words} ({row.unobservable})" for row in rows.values() if row not in seen]
    by_cases = sum(bool(row.cases) for row in seen)
    lines += ["", f"{len(cases)} cases; {covered} of {len(seen)} rows covered ({100 * covered / len(seen):.1f} %): {by_cases} by "
              f"cases, {covered - by_cases} by other tests alone; {len(rows) - len(seen)} more cannot be observed"]
    return "\n".join(lines + [f"WRONG: {text}" for text in wrong])
