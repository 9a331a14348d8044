"""Replays the recorded REST questions: status, content type and body of a real TensorFlow Serving."""
import base64

import pytest

from recorded import Exemption, difference, load_answers, parse_json

ROWS = load_answers("rest")


def expected_body(answer: dict, exemption: Exemption):
    if exemption.expect and "json" in exemption.expect:
        return exemption.expect["json"]
    body = base64.b64decode(answer["body"])
    return parse_json(body) if answer["type"] == "application/json" and body else body


@pytest.mark.parametrize("row", ROWS, ids=[row["case"]["id"] for row in ROWS])
def test_answers_as_recorded(base_server, row):
    case, answer = row["case"], row["answer"]
    exemption = Exemption.of("answers", case["id"])
    if exemption.skip:
        pytest.skip(exemption.skip)
    recorded = answer | {k: v for k, v in (exemption.expect or {}).items() if k != "json"}

    body = base64.b64decode(case["body"]) if case["method"] == "POST" else None
    status, headers, ours = base_server.request(case["method"], case["path"], body, case["headers"])

    expected = expected_body(answer, exemption)
    if isinstance(expected, bytes):
        assert ours == expected
    else:
        assert difference(expected, parse_json(ours), exemption) is None
    assert status == recorded["status"]
    assert headers.get("content-type") == recorded["type"]
    assert headers.get("content-encoding") == recorded.get("encoding")
