from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scale import ATTACH, LIST_ATTACHED, Latencies
from benchmarks.sweep import Case, Swept, broken_bounds

CALLS = {LIST_ATTACHED: 1_000, ATTACH: 1_000}
SMALL = Swept(
    Case(1_000, 100),
    attached=1_000,
    seconds=10.0,
    estimated_seconds=10.5,
    calls=CALLS,
    estimated_calls=CALLS,
    latencies=Latencies(),
    peak_kib=90_000,
)
LARGE = replace(SMALL, case=Case(10_000, 100), attached=10_000, seconds=101.0, estimated_seconds=100.0)


def test_a_sweep_as_estimated_breaks_no_bound() -> None:
    assert broken_bounds([SMALL, LARGE]) == []


def test_each_broken_bound_is_named() -> None:
    for small, large, words in [
        (replace(SMALL, estimated_seconds=11.1), LARGE, "estimated 11.1 s, measured 10.0 s"),
        (
            replace(SMALL, calls=CALLS | {LIST_ATTACHED: 1_200}),
            LARGE,
            "iot:ListAttachedPolicies estimated 1000 times, counted 1200",
        ),
        (replace(SMALL, attached=999), LARGE, "999 attached"),
        (SMALL, replace(LARGE, seconds=106.0), "94.3% of the rate held, bound 95%"),
        (SMALL, replace(LARGE, peak_kib=100_000), "100000 KiB"),
    ]:
        (broken,) = broken_bounds([small, large])
        assert words in broken


def test_case_is_read_from_identities_and_rate() -> None:
    assert Case.parse("300@20") == Case(300, 20)


@pytest.mark.parametrize("text", ["", "300", "300@", "@20", "300@0", "0@20", "-1@20", "300@20@1", "a@b"])
def test_other_texts_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="allowed is IDENTITIES@RATE, such as 300@20"):
        Case.parse(text)
