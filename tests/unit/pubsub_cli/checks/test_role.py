"""A role that was deleted: whose it was decides which check tells."""

from __future__ import annotations

from pubsub_cli.checks.authorization import RoleHoldsThePolicies
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.role import look_at_role
from pubsub_cli.finding import Finding, Status
from tests.unit.pubsub_cli.checks.answers import Answers, error, find


class _GroupRole(Check):
    """The role of one group."""

    id = "PS303"
    group = Group.AUTHORIZATION
    title = "the role of one group"

    async def run(self, context: Context) -> Finding:
        """Look at it."""
        return await look_at_role(context, "editors", "The role of group editors")


def deleted() -> Answers:
    return Answers(ListAttachedRolePolicies=error("NoSuchEntity", 404))


async def test_that_auth_role_is_gone_is_told_by_the_identity_pools_check_and_keeps_it_from_nothing() -> None:
    finding = await find(RoleHoldsThePolicies, deleted())
    assert (finding.status, finding.not_applicable) == (Status.SKIPPED, True)
    assert "PS304" in str(finding.cause)


async def test_that_a_groups_role_is_gone_is_told_with_what_to_do_about_the_group() -> None:
    finding = await find(_GroupRole, deleted())
    assert finding.status is Status.FAILED
    assert "delete-group" in str(finding.fix)
