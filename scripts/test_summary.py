#!/usr/bin/env python3
"""Adds up what the suites of ./dev test left behind: a table with times, the names of what failed, and a last line
`N passed, N failed` (`, N skipped` if any). Exit status 1 if anything failed."""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field


@dataclass
class Count:
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: int = 0


def count_junit(path: pathlib.Path, count: Count, without: set[str]) -> None:
    """Adds a JUnit file's cases, but for the passed ones named in `without` (counted in more detail elsewhere)."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            count.failures.append(name)
        elif case.find("skipped") is not None:
            count.skipped += 1
        elif case.get("name") not in without:
            count.passed += 1


def count_gtest(path: pathlib.Path, count: Count) -> None:
    for suite in json.loads(path.read_text()).get("testsuites", []):
        for case in suite.get("testsuite", []):
            if case.get("failures"):
                count.failures.append(f"{suite['name']}.{case['name']}")
            elif case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN":
                count.skipped += 1
            else:
                count.passed += 1


def count_suite(folder: pathlib.Path) -> tuple[Count, int]:
    count = Count()
    status, seconds = map(int, (folder / "done").read_text().split())
    programs = set()
    for path in sorted((folder / "gtest").glob("*.json")) if (folder / "gtest").is_dir() else []:
        try:
            count_gtest(path, count)
            programs.add(path.stem)
        except ValueError:
            pass  # the program died while writing; CTest's own row says so
    reported = list(folder.glob("*.xml"))
    for path in reported:
        count_junit(path, count, programs)
    if not reported and not status:
        count.passed += 1
    if status and not count.failures:
        count.failures.append(f"(the suite ended with status {status}; see build/logs)")
    return count, seconds


def main() -> int:
    results, total = pathlib.Path(sys.argv[1]), Count()
    print(f"\n{'suite':14}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>10}")
    all_seconds = 0
    for name in sys.argv[2:]:
        count, seconds = count_suite(results / name)
        print(f"{name:14}{count.passed:8}{len(count.failures):8}{count.skipped:9}{seconds // 60:6}:{seconds % 60:02}")
        total.passed += count.passed
        total.skipped += count.skipped
        total.failures += [f"{name}: {failure}" for failure in count.failures]
        all_seconds += seconds
    print(f"{'':39}{all_seconds // 60:6}:{all_seconds % 60:02}")
    for failure in total.failures:
        print(f"failed  {failure}")
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {len(total.failures)} failed{skipped}")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
