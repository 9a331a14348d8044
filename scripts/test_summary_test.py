"""The last line of ./dev test, counted from files as the suites leave them."""
import json
import pathlib
import subprocess
import sys

SUMMARY = pathlib.Path(__file__).resolve().parent / "test_summary.py"


def summarize(root, *suites):
    done = subprocess.run([sys.executable, SUMMARY, root, *suites], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def leave(root, suite, status, files):
    (root / suite / "gtest").mkdir(parents=True)
    (root / suite / "done").write_text(f"{status} 61\n")
    for name, text in files.items():
        (root / suite / name).write_text(text)


def junit(**cases):
    return f"<testsuites><testsuite>{''.join(f'<testcase name={chr(34)}{n}{chr(34)}>{t}</testcase>' for n, t in cases.items())}</testsuite></testsuites>"


def test_a_suite_without_reports_counts_as_one_test(tmp_path):
    leave(tmp_path, "format", 0, {})
    assert summarize(tmp_path, "format")[1][-1] == "1 passed, 0 failed"


def test_cases_of_a_program_replace_its_row_in_ctest(tmp_path):
    cases = [{"name": "a", "status": "RUN", "result": "COMPLETED"}, {"name": "b", "status": "RUN", "result": "COMPLETED"}]
    gtest = json.dumps({"testsuites": [{"name": "S", "testsuite": cases}]})
    leave(tmp_path, "unit", 0, {"gtest/x_test.json": gtest, "ctest.xml": junit(x_test="", other_test="")})
    assert summarize(tmp_path, "unit") [1][-1] == "3 passed, 0 failed"


def test_a_program_that_died_is_a_failure(tmp_path):
    leave(tmp_path, "unit", 8, {"ctest.xml": junit(x_test="<failure/>"), "gtest/x_test.json": "{"})
    status, lines = summarize(tmp_path, "unit")
    assert (status, lines[-2:]) == (1, ["failed  unit: x_test", "0 passed, 1 failed"])


def test_a_suite_that_fails_before_its_tests_is_a_failure(tmp_path):
    leave(tmp_path, "asan", 2, {})
    status, lines = summarize(tmp_path, "asan")
    assert status == 1
    assert lines[-1] == "0 passed, 1 failed"


def test_skipped_tests_are_named_last(tmp_path):
    leave(tmp_path, "conformance", 0, {"pytest.xml": junit(a="", b="<skipped/>")})
    leave(tmp_path, "layers", 0, {})
    assert summarize(tmp_path, "conformance", "layers")[1][-1] == "2 passed, 0 failed, 1 skipped"
