"""What Lambda says of the account's concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import make_function

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def concurrency(cloud: LocalCloud) -> tuple[int, int]:
    """Return the quota, and what of it no function has reserved."""
    limit = cloud.client("lambda").get_account_settings()["AccountLimit"]
    return limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]


def test_the_quota_is_that_of_aws_and_what_functions_reserve_is_taken_off(cloud: LocalCloud) -> None:
    quota, free = concurrency(cloud)
    assert quota == 1000
    function = make_function(cloud, "def handler(event, context): return event")
    cloud.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=100)
    assert concurrency(cloud) == (1000, free - 100)


def test_an_account_can_have_the_least_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_ACCOUNT_CONCURRENCY", "10")
    with LocalCloud.start(log_file=tmp_path / "cloud.log") as new_account:
        assert concurrency(new_account) == (10, 10)
