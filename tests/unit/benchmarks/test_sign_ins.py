from __future__ import annotations

from benchmarks.scale.sign_ins import CONNECT, FIRST, REPEAT, bounds, mixed
from local_cloud.faults.quotas import quota_of


def test_no_quota_is_passed_at_the_rate_that_is_sustained() -> None:
    for path in (FIRST, REPEAT, CONNECT, mixed(0.25)):
        per_second = bounds(path)[0].per_second
        for operation in path.calls:
            quota = quota_of(operation)
            assert per_second * path.calls_since(quota) <= quota.per_second + 1e-9


def test_a_repeat_sign_in_makes_only_the_calls_of_the_front_end() -> None:
    added = {operation for operation in FIRST.calls if FIRST.calls[operation] != REPEAT.calls.get(operation, 0)}
    assert "cognito-idp:InitiateAuth" not in added
    assert "iot:AttachPolicy" in added


def test_a_mix_lies_between_first_and_repeat_sign_ins() -> None:
    first, mix, repeat = (bounds(path)[0].per_second for path in (FIRST, mixed(0.25), REPEAT))
    assert first < mix < repeat
