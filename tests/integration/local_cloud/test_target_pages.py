from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import ALLOW_IOT, Account, document, unique


@pytest.fixture
def iot(account: Account) -> Any:
    return account.cloud.client("iot")


def new_policy(iot: Any, targets: int) -> tuple[str, set[str]]:
    """Make a policy with so many targets, and return its name and them."""
    name, attached = unique("policy"), {f"us-east-1:{uuid.uuid4()}" for _ in range(targets)}
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    for target in attached:
        iot.attach_policy(policyName=name, target=target)
    return name, attached


def all_targets(iot: Any, name: str, **following: str) -> list[str]:
    pages = iot.get_paginator("list_targets_for_policy").paginate(
        policyName=name, PaginationConfig={"PageSize": 2, **following}
    )
    return [target for page in pages for target in page["targets"]]


def test_the_pages_hold_each_target_once(iot: Any) -> None:
    name, attached = new_policy(iot, 5)
    found = all_targets(iot, name)
    assert len(found) == 5
    assert set(found) == attached


def test_a_page_has_25_targets_unless_told(iot: Any) -> None:
    name, _ = new_policy(iot, 26)
    assert len(iot.list_targets_for_policy(policyName=name)["targets"]) == 25
    assert len(iot.list_targets_for_policy(policyName=name, pageSize=250)["targets"]) == 26


def test_detaching_what_was_seen_skips_no_other(iot: Any) -> None:
    name, attached = new_policy(iot, 5)
    page = iot.list_targets_for_policy(policyName=name, pageSize=2)
    for target in page["targets"]:
        iot.detach_policy(policyName=name, target=target)
    rest = all_targets(iot, name, StartingToken=page["nextMarker"])
    assert sorted(rest) == sorted(attached - set(page["targets"]))


def test_a_page_has_250_targets_at_most(iot: Any) -> None:
    name, _ = new_policy(iot, 0)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        iot.list_targets_for_policy(policyName=name, pageSize=251)


def test_a_marker_of_another_policy_is_refused(iot: Any) -> None:
    name, _ = new_policy(iot, 2)
    marker = iot.list_targets_for_policy(policyName=name, pageSize=1)["nextMarker"]
    other, _ = new_policy(iot, 2)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        iot.list_targets_for_policy(policyName=other, pageSize=1, marker=marker)
