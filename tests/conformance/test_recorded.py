"""What counts as the same answer, as a table: the suites beside this one are only as strict as this."""
import math

import pytest

from recorded import EXCEPTIONS, Exemption, difference, load_answers

SAME = [
    ({"a": 1, "b": [2.5]}, {"b": [2.5], "a": 1}),
    (math.nan, math.nan),
    (math.inf, math.inf),
    (0.33333333333333331, 0.3333333333333333),
    (123456789.12345681, 123456789.12345679),
    (-0.0, -5e-324),
]
DIFFERENT = [
    (3, 3.0),
    (1, True),
    (0.0, -0.0),
    (2.5, 2.5001),
    (0.1, 0.10000001),
    (math.nan, 0.0),
    (math.inf, -math.inf),
    (0.0, 1e-30),
    ("a", "b"),
    ([1], [1, 2]),
    ({"a": 1}, {"a": 1, "b": 2}),
    (None, {}),
]


@pytest.mark.parametrize("recorded,ours", SAME)
def test_the_same(recorded, ours):
    assert difference(recorded, ours) is None


@pytest.mark.parametrize("recorded,ours", DIFFERENT)
def test_different(recorded, ours):
    assert difference(recorded, ours) is not None


def test_an_ignored_member_may_be_absent_on_one_side_only():
    exemption = Exemption(ignore_members=("defaults",))
    assert difference({"a": {}}, {"a": {"defaults": {}}}, exemption) is None
    assert difference({"defaults": 1}, {"defaults": 2}, exemption) is not None


def test_every_exception_has_a_reason_and_a_case():
    names = [row["case"]["id"] for kind in ("rest", "grpc") for row in load_answers(kind)]
    for pattern, row in EXCEPTIONS["answers"].items():
        assert row.get("skip") or row.get("reason"), pattern
        assert any(Exemption.of("answers", name) == Exemption.of("answers", pattern) for name in names), pattern
