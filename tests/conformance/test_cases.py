"""Asks our server every conformance case (tests/conformance/cases), each as a test of its own, and tests the runner itself."""
import fnmatch
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cases_runner import coverage, mutants, suite, syntax  # noqa: E402
from cases_runner.execute import Context  # noqa: E402

CASES, SPECS = suite.load_cases()
LEAST_COVERAGE = 0.95
PENDING = HERE / "cases/pending.txt"


def pending() -> dict[str, str]:
    """Cases of what is not built yet, by shell pattern: reason. The file is gone when everything is."""
    if not PENDING.exists():
        return {}
    rows = [line.split(maxsplit=1) for line in PENDING.read_text().splitlines() if line and not line.startswith("#")]
    return {pattern: reason for pattern, reason in rows}


def marks(case) -> list:
    reasons = [reason for pattern, reason in pending().items() if fnmatch.fnmatchcase(case.name, pattern)]
    return [pytest.mark.xfail(reason=reasons[0], strict=False)] if reasons else []


@pytest.fixture(scope="session")
def asked(baton_binary, request):
    """Our server, and every case of this session that needs one of its own already under way."""
    names = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    target = suite.binary_target("baton", str(baton_binary), SPECS)
    run = suite.Run(target, [case for case in CASES if case.name in names], ("baton",))
    yield run
    run.close()


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name, marks=marks(c)) for c in CASES])
def test_answers_as_expected(asked, case):
    outcome = asked.outcome(case)

    assert outcome.state == "passed", "\n".join([f"{case.file}:{case.line}: {' '.join(case.proves)}", *outcome.reasons])
    context = Context(asked.target, None, {**asked.target.places(), "DIR": "", "FILES": ""})
    blind = [line for step, seen in outcome.answers for line in mutants.survivors(step, seen, context, "baton")]
    assert not blind, f"{case.file}: the expectations of lines {blind} hold even when they are made wrong"


def test_the_rows_of_the_contract_are_covered():
    rows, wrong = coverage.assign(CASES)
    assert not wrong, "\n".join(wrong)
    seen = [row for row in rows.values() if row.is_covered or not row.unobservable]
    missing = [row.id for row in seen if not row.is_covered]
    assert len(missing) <= len(seen) * (1 - LEAST_COVERAGE), f"missing: {missing}"


# ------------------------------------------------------------------------------------------------- the runner itself


def parsed(tmp_path, text: str):
    (tmp_path / "x.case").write_text("server base\n\n" if "case" not in text else text)
    (tmp_path / "servers.case").write_text("server base\nflags --a\n")
    return syntax.load(tmp_path)[0]


GOOD = """case a.b
proves 3.1.p1
rest GET /v1/models/m
expect status 200
"""


@pytest.mark.parametrize("text, complaint", [
    (GOOD.replace("proves 3.1.p1\n", ""), "proves no row"),
    (GOOD.replace("expect status 200\n", ""), "expects nothing"),
    (GOOD.replace("case a.b", "case A"), "a case is named"),
    (GOOD + GOOD, "is also in"),
    (GOOD + "stock: expect status 400\n", "without a `deviation`"),
    (GOOD + "2.12: expect status 400\n", "without a `since`"),
    (GOOD + "expect colour blue\n", "has no 'colour'"),
    (GOOD + "expect body <<EOF\nabc\n", "no line 'EOF'"),
    (GOOD.replace("proves", "server other\nproves"), "no server 'other'"),
    (GOOD + "sometimes maybe\n", "unknown word"),
    (GOOD.replace("proves", "decision maybe\nproves"), "a decision is"),
], ids=lambda value: value if " " in value and "\n" not in value else "")
def test_a_case_that_proves_nothing_is_refused(tmp_path, text, complaint):
    with pytest.raises(syntax.CaseError, match=complaint):
        parsed(tmp_path, text)


def observed(**more) -> dict:
    return {"status": 200, "type": "application/json", "headers": [("content-type", "application/json")],
            "body": b'{\n    "error": "no"\n}', **more}


@pytest.mark.parametrize("wrong", [
    "status 201", "type text/html", "header Content-Type: text/html", "no-header Content-Type", "body {}", "body ~ ^x",
    "body has yes", "body lacks no", 'json {"error": "yes"}', 'json {"error": "no", "more": 1}', "error yes", "error ~ ^yes$",
    "page 404 Not Found",
])
def test_a_wrong_expectation_fails(tmp_path, wrong):
    case = parsed(tmp_path, GOOD.replace("status 200", wrong))[0]
    from cases_runner.execute import failures

    assert failures(case.steps[0], [observed()], Context(None, None, {}))


@pytest.mark.parametrize("right", [
    "status 200", "status 200 or 503", "type application/json", "header Content-Type: application/json", "no-header Server",
    "body ~ error.*no", "body has no", "body lacks yes", 'json {"error": "no"}', "error no", "error ~ ^no$",
])
def test_a_right_expectation_passes_and_can_fail(tmp_path, right):
    case = parsed(tmp_path, GOOD.replace("status 200", right))[0]
    from cases_runner.execute import failures

    context = Context(None, None, {})
    assert not failures(case.steps[0], [observed()], context)
    assert not mutants.survivors(case.steps[0], [observed()], context, "baton")


@pytest.mark.parametrize("expected, ours", [("1", "1.0"), ("0.0", "-0.0"), ("[1]", "[1, 2]"), ("NaN", "0.0"), ("{}", "[]"),
                                            ('"a"', '"b"'), ("null", "false"), ("1.0", "1.0000001")])
def test_json_values_that_differ_are_told_apart(expected, ours):
    from cases_runner.compare import json_difference, parse_json

    assert json_difference(parse_json(expected.encode()), parse_json(ours.encode()), approximately=False)


@pytest.mark.parametrize("mode", ["", "has", "approximately"])
@pytest.mark.parametrize("other", [
    'outputs { key: "y" value { dtype: DT_FLOAT float_val: 2.6 } }',
    'outputs { key: "z" value { dtype: DT_FLOAT float_val: 2.5 } }',
    'outputs { key: "y" value { dtype: DT_DOUBLE float_val: 2.5 } }',
    'outputs { key: "y" value { dtype: DT_FLOAT float_val: [2.5, 2.5] } }',
])
def test_messages_that_differ_are_told_apart(mode, other):
    from cases_runner.compare import message_class, message_difference, parse_text

    cls = message_class("tensorflow.serving.PredictResponse")
    ours = parse_text('outputs { key: "y" value { dtype: DT_FLOAT float_val: 2.5 } }', cls)
    assert message_difference(ours, ours, mode) is None
    assert message_difference(parse_text(other, cls), ours, mode)


def test_what_is_said_for_a_server_replaces_what_is_said_for_all(tmp_path):
    text = GOOD.replace("proves", "deviation why\nsince 2.13\nproves") + "expect body has a\nstock: expect status 400\n2.12: expect error x\n"
    step = parsed(tmp_path, text)[0].steps[0]

    said = {p: [(e.key, str(e.value)) for e in step.expected(p)] for p in syntax.PROFILES}
    assert said == {"baton": [("status", "200"), ("body", "a")], "stock": [("status", "400"), ("body", "a")],
                    "2.12": [("status", "400"), ("error", "x")]}
