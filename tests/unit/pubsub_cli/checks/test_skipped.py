"""Checks that have nothing to test are skipped with the reason, and never pass."""

from __future__ import annotations

import pytest

from pubsub_cli.checks.connection import GroupUsersConnect
from pubsub_cli.checks.rejections import OtherTopicsAreDenied
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import OUTPUTS, StubbedAws, run_check


@pytest.mark.parametrize("topics", ["*", "news/*,*"])
async def test_denied_topics_are_not_tested_if_all_topics_are_open(topics: str) -> None:
    outputs = {**OUTPUTS, Output.TOPICS: topics}
    finding = await run_check(OtherTopicsAreDenied, StubbedAws(), outputs=outputs)
    assert (finding.not_applicable, finding.cause) == (True, "the setting topics opens all topics to all users")


async def test_group_users_are_not_tested_without_groups() -> None:
    finding = await run_check(GroupUsersConnect, StubbedAws(), fields={"group_roles": {}})
    assert (finding.not_applicable, finding.cause) == (True, "no group has a role")
