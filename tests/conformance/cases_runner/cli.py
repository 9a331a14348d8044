"""The command line: run, report, list, show, prepare."""
import argparse
import fnmatch
import pathlib
import sys
import textwrap
import time

from baton_server import BINARY

from . import coverage, suite
from .compare import canonical
from .servers import RemoteTarget, prepare
from .syntax import PROFILES, Case, CaseError

STATES = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}
EXPLAIN = {"baton": "", "stock": " (known deviation)", "2.12": " (as 2.12)"}


def chosen(cases: list[Case], patterns: list[str]) -> list[Case]:
    """Cases whose name, file or a row they prove matches one of the shell patterns; all without patterns."""
    def matches(case: Case) -> bool:
        names = [case.name, case.file.removesuffix(".case"), *case.proves]
        return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)
    return [case for case in cases if not patterns or matches(case)]


def targets_of(arguments, specs) -> list:
    """The targets named on the command line; our own binary if none is."""
    targets = []
    rests = arguments.rest or []
    if rests and len(rests) != len(arguments.target or []):
        sys.exit("give one --rest for each --target, in the same order (`-` for none)")
    for index, address in enumerate(arguments.target or []):
        rest = rests[index] if rests else ""
        targets.append(RemoteTarget(address, address, "" if rest == "-" else rest, arguments.server, remote_places(arguments)))
    for binary in arguments.binary or ([] if targets else [str(BINARY)]):
        targets.append(suite.binary_target(pathlib.Path(binary).name, binary, specs))
    labels = [target.label for target in targets]
    for index, target in enumerate(targets):
        if labels.count(target.label) > 1:
            target.label = f"{target.label}#{index + 1}"
    return targets


def remote_places(arguments) -> dict[str, str]:
    places = dict(suite.model_places())
    if arguments.models:
        places["MODELS"] = arguments.models
    if arguments.made:
        places["MADE"] = arguments.made
    return places


def describe(outcome) -> str:
    """What a target said, for putting two beside each other."""
    lines = [STATES[outcome.state] + (EXPLAIN[outcome.profile] if outcome.state == "passed" else "")]
    lines += outcome.reasons
    for step, seen in outcome.answers[-1:]:
        for key, value in seen[0].items():
            if key in ("headers", "stdout", "stderr"):
                continue
            text = canonical(value) if hasattr(value, "DESCRIPTOR") else value
            text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            lines.append(f"{key}: {text if len(text) < 600 else text[:600] + ' ...'}")
    return "\n".join(lines)


def beside(left: str, right: str, labels: tuple[str, str], width: int = 66) -> str:
    """Two texts in two columns."""
    def column(label: str, text: str) -> list[str]:
        lines = [label, "-" * len(label)]
        for line in text.splitlines():
            lines += textwrap.wrap(line, width, replace_whitespace=False, drop_whitespace=False) or [""]
        return lines
    a, b = column(labels[0], left), column(labels[1], right)
    a += [""] * (len(b) - len(a))
    b += [""] * (len(a) - len(b))
    return "\n".join(f"    {x:<{width}} | {y}".rstrip() for x, y in zip(a, b))


def print_outcomes(case: Case, outcomes: list, labels: list[str], arguments) -> None:
    states = [STATES[o.state] + (EXPLAIN[o.profile] if o.state == "passed" else "") for o in outcomes]
    same = len(set(states)) == 1
    if outcomes[0].state == "passed" and same and not arguments.verbose:
        return
    if len(outcomes) == 1:
        print(f"{states[0]:<8} {case.name}  [{case.file}:{case.line}; {' '.join(case.proves)}]")
        for reason in outcomes[0].reasons if outcomes[0].state == "failed" or arguments.verbose else []:
            print(textwrap.indent(reason, "         "))
        return
    if any(outcome.state == "skipped" for outcome in outcomes) and not arguments.verbose:
        return  # only one of them was asked
    print(f"{case.name}  [{case.file}:{case.line}; {' '.join(case.proves)}]")
    print(beside(describe(outcomes[0]), describe(outcomes[1]), (labels[0], labels[1])))
    for note in (case.deviation, case.since, case.decision):
        if note:
            print(f"    note: {note}")


def run(arguments) -> int:
    cases, specs = suite.load_cases()
    wanted = chosen(cases, arguments.pattern)
    profiles = tuple(arguments.profile) if arguments.profile else PROFILES
    targets = targets_of(arguments, specs)
    if len(targets) > 2:
        sys.exit("two targets at most")
    if not arguments.profile and all(t.label.startswith("baton") for t in targets):
        profiles = ("baton",)
    started, runs, counts = time.monotonic(), [suite.Run(t, wanted, profiles) for t in targets], []
    try:
        for case in wanted:
            outcomes = [run.outcome(case) for run in runs]
            counts.append(outcomes)
            print_outcomes(case, outcomes, [t.label for t in targets], arguments)
            sys.stdout.flush()
    finally:
        for run_ in runs:
            run_.close()
    for index, target in enumerate(targets):
        states = [outcomes[index].state for outcomes in counts]
        known = sum(o[index].state == "passed" and o[index].profile != "baton" for o in counts)
        print(f"{target.label}: {len(states)} cases: {states.count('passed')} as expected"
              f"{f' ({known} of them with a known difference)' if known else ''}, {states.count('failed')} not, "
              f"{states.count('skipped')} not asked; {time.monotonic() - started:.1f} s")
    return 1 if any(o.state == "failed" for outcomes in counts for o in outcomes) else 0


def report(arguments) -> int:
    text = coverage.report(suite.load_cases()[0], arguments.long)
    print(text)
    return 1 if "WRONG: " in text else 0


def show(arguments) -> int:
    for case in chosen(suite.load_cases()[0], arguments.pattern):
        print(f"{case.name:<50} {case.server + (' fresh' if case.is_fresh else ''):<18} {' '.join(case.proves)}")
    return 0


def prepare_files(arguments) -> int:
    """Writes a configuration's files so that any server can be started with it by hand."""
    _, specs = suite.load_cases()
    folder = pathlib.Path(arguments.to).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    places = {**remote_places(arguments), "FILES": arguments.files or str(folder), "DIR": str(folder)}
    flags = prepare(specs[arguments.server], specs, folder, places)
    flags = [flag.replace(str(folder), arguments.files or str(folder)) for flag in flags]
    print("\n".join(["tensorflow_model_server --port=8500 --rest_api_port=8501", *flags]))
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="runner.py", description="Conformance cases: what a client of TensorFlow Serving can see.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, function, text: str, **more) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, **more)
        made.set_defaults(function=function)
        return made

    asks = command("run", run, "Ask one server, or two beside each other, and print what is not as expected.")
    asks.add_argument("pattern", nargs="*", help="cases by name, file or row (shell patterns); all if none")
    asks.add_argument("--target", action="append", metavar="HOST:PORT", help="gRPC address of a running server")
    asks.add_argument("--rest", action="append", metavar="HOST:PORT", help="its REST address; `-` for none")
    asks.add_argument("--server", default="base", help="the configuration the running servers were started with")
    asks.add_argument("--binary", action="append", metavar="PATH", help="a server program to start as the cases need")
    asks.add_argument("--profile", action="append", choices=PROFILES, help="whose answers to expect (default: any, named)")
    asks.add_argument("--models", help="where a running server has tests/conformance/observed/models")
    asks.add_argument("--made", help="where a running server has the made models")
    asks.add_argument("-v", "--verbose", action="store_true")
    tells = command("report", report, "Rows of the contract that are covered, and those that are not.")
    tells.add_argument("--long", action="store_true", help="name the rows that cannot be observed, too")
    lists = command("list", show, "Cases, the server each is asked of, and what it proves.")
    lists.add_argument("pattern", nargs="*")
    makes = command("prepare", prepare_files, "Write the files of a configuration and print the flags to start a server with.")
    makes.add_argument("server", nargs="?", default="base")
    makes.add_argument("--to", required=True, help="folder for the files")
    makes.add_argument("--files", help="where the server will see that folder, if elsewhere")
    makes.add_argument("--models", help="where the server will see tests/conformance/observed/models")
    makes.add_argument("--made", help="where the server will see the made models")
    return top


def main() -> int:
    arguments = parser().parse_args()
    try:
        return arguments.function(arguments)
    except CaseError as error:
        sys.exit(f"runner.py: {error}")
