#!/usr/bin/env python3
"""Runs h2spec against an HTTP/2 server (prior knowledge) on this machine: run.py PORT

The server answers POST and GET on / with a body (src/net/http2_echo_server.cc does). Exit status: 0 when every case
passed or is explained in allowed_failures.txt, 1 otherwise.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
BIN = HERE.parent.parent / ".deps" / "bin"
PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"  # in the version that go.mod names


def h2spec_program():
    program = BIN / "h2spec"
    if not program.exists():
        BIN.mkdir(parents=True, exist_ok=True)
        subprocess.run(["go", "build", "-mod=readonly", "-o", program, PACKAGE], cwd=HERE, check=True)
    return program


def allowed_failures():
    allowed = {}
    for line in (HERE / "allowed_failures.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            section, case, reason = (part.strip() for part in line.split("|", 2))
            allowed[section, case] = reason
    return allowed


def run(port):
    """The cases as {(section, case): failed} and h2spec's own text."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [h2spec_program(), "-h", "127.0.0.1", "-p", str(port), "-o", "3", "-j", report]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if not report.exists():
            sys.exit(f"h2spec wrote no report:\n{done.stdout}{done.stderr}")
        cases = {}
        # A failure quotes what the server sent, control characters and all, which XML does not allow.
        text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", report.read_text(errors="replace"))
        for case in ElementTree.fromstring(text).iter("testcase"):
            bad = any(child.tag in ("failure", "error", "skipped") for child in case)
            cases[case.get("package"), case.get("classname")] = bad
        return cases, done.stdout


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cases, text = run(int(sys.argv[1]))
    allowed = allowed_failures()
    failed = {case for case, bad in cases.items() if bad}
    unexpected = sorted(failed - allowed.keys())
    stale = sorted(allowed.keys() - failed)
    if unexpected:
        print(text)
    for section, case in unexpected:
        print(f"FAILED {section}: {case}")
    for section, case in stale:
        print(f"LISTED in allowed_failures.txt but it passes or does not exist: {section}: {case}")
    explained = len(failed) - len(unexpected)
    print(f"{len(cases)} cases, {len(cases) - len(failed)} passed, {explained} failures explained")
    return 1 if unexpected or stale or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
