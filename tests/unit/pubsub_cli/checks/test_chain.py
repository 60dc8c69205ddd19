"""What of the chain's other parts is wrong, in states that the doctor's causes do not make."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pubsub_cli.checks.concurrency import ENOUGH, ConcurrencySuffices
from pubsub_cli.checks.log_groups import LogGroupsExist
from pubsub_cli.checks.mac_key import MacKeyIsUsable
from pubsub_cli.checks.sweep import SchedulesAreEnabled, StateMachinesAreActive
from pubsub_cli.finding import Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.answers import OUTPUTS, Answers, error, find, functions, template

KEY = {"KeyId": "key", "KeyState": "Enabled", "KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "HMAC_256"}
SWEEP = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"


def resources(**types: str) -> dict[str, Any]:
    """Return how CloudFormation lists resources; the physical ids are the logical ones."""
    return {
        "StackResourceSummaries": [
            {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": each}
            for name, each in types.items()
        ]
    }


class TestTheMacKey:
    @pytest.mark.parametrize(
        ("changes", "said", "fix"),
        [
            ({"KeyState": "Disabled"}, "is disabled", ["enable-key"]),
            (
                {"KeyState": "PendingDeletion", "DeletionDate": datetime(2026, 1, 2, tzinfo=UTC)},
                "waits for its deletion (2026-01-02 00:00 UTC)",
                ["cancel-key-deletion", "enable-key"],
            ),
            ({"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}, "not HMAC_256", []),
            ({"KeyState": "Unavailable"}, "is Unavailable", []),
        ],
    )
    async def test_what_is_wrong_with_it_is_named(self, changes: dict[str, Any], said: str, fix: list[str]) -> None:
        aws = Answers(ListStackResources=resources(MacKey="AWS::KMS::Key"), DescribeKey={"KeyMetadata": KEY | changes})
        finding = await find(MacKeyIsUsable, aws)
        assert finding.status is Status.FAILED
        assert said in str(finding.cause)
        assert [str(each).split()[2] for each in finding.commands] == fix
        assert not finding.safe_commands, "somebody may have disabled it to stop internal sign-ins"

    async def test_one_that_is_as_deployed_passes(self) -> None:
        aws = Answers(ListStackResources=resources(MacKey="AWS::KMS::Key"), DescribeKey={"KeyMetadata": KEY})
        assert (await find(MacKeyIsUsable, aws)).status is Status.PASSED

    @pytest.mark.parametrize("listed", [{}, {"MacKey": "AWS::KMS::Key"}])
    async def test_one_that_is_gone_is_restored(self, listed: dict[str, str]) -> None:
        aws = Answers(ListStackResources=resources(**listed), DescribeKey=error("NotFoundException"))
        finding = await find(MacKeyIsUsable, aws)
        assert finding.status is Status.FAILED
        assert "cdk deploy --revert-drift" in str(finding.fix)


class TestConcurrency:
    @pytest.mark.parametrize(
        ("quota", "free", "status", "at_once"),
        [(1000, 1000, Status.PASSED, 0), (1000, ENOUGH, Status.PASSED, 0), (10, 10, Status.WARNING, 3)],
    )
    async def test_an_account_of_the_least_quota_warns_with_the_figures(
        self, quota: int, free: int, status: Status, at_once: int
    ) -> None:
        limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": free}
        finding = await find(ConcurrencySuffices, Answers(GetAccountSettings={"AccountLimit": limit}))
        assert finding.status in (status, Status.FAILED)  # the runner makes a warning of a failure
        if status is not Status.PASSED:
            assert f"Lambda runs {quota} functions at once" in str(finding.cause)
            assert f"so {at_once} users can sign in for the first time at once" in str(finding.cause)
            assert "need 78: 15 x 2.5 s x 2, and 3" in str(finding.cause)
            assert (
                "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
                "--desired-value 1000" in str(finding.fix)
            )
            assert not finding.safe_commands

    async def test_what_is_reserved_for_others_is_not_there_for_sign_ins(self) -> None:
        limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": ENOUGH - 1}
        finding = await find(ConcurrencySuffices, Answers(GetAccountSettings={"AccountLimit": limit}))
        assert finding.status is Status.FAILED
        assert f"{1000 - ENOUGH + 1} are reserved" in str(finding.cause)


class TestTheLogGroups:
    @pytest.mark.parametrize("kept", [None, 7])
    async def test_another_retention_is_restored(self, kept: int | None) -> None:
        stack = template(Trigger="post_authentication.handler")
        stack["TemplateBody"]["Resources"]["Logs"] = {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"RetentionInDays": 30},
        }
        listed = functions(Trigger="trigger")
        listed["StackResourceSummaries"] += resources(Logs="AWS::Logs::LogGroup")["StackResourceSummaries"]
        retention = {} if kept is None else {"retentionInDays": kept}
        aws = Answers(
            ListStackResources=listed,
            GetTemplate=stack,
            GetFunctionConfiguration={"FunctionName": "trigger", "LoggingConfig": {"LogGroup": "Logs"}},
            GetFunctionConcurrency={},
            DescribeLogGroups={"logGroups": [{"logGroupName": "Logs", **retention}]},
        )
        finding = await find(LogGroupsExist, aws)
        assert finding.status is Status.FAILED
        (command,) = finding.safe_commands
        assert str(command) == "aws logs put-retention-policy --log-group-name Logs --retention-in-days 30"

    async def test_names_may_have_nothing_in_common(self) -> None:
        handlers = {"Trigger": "post_authentication.handler", "Challenge": "auth_challenge.handler"}
        names = {"Trigger": "stack-logs", "Challenge": "/aws/lambda/challenge"}
        aws = Answers(
            ListStackResources=functions(**{each: each for each in handlers}),
            GetTemplate=template(**handlers),
            GetFunctionConfiguration=lambda asked: {"LoggingConfig": {"LogGroup": names[asked["FunctionName"]]}},
            GetFunctionConcurrency={},
            DescribeLogGroups={"logGroups": [{"logGroupName": each} for each in names.values()]},
        )
        assert (await find(LogGroupsExist, aws)).status is Status.PASSED


class TestTheSweep:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [(error("StateMachineDoesNotExist"), "was deleted"), ({"status": "DELETING"}, "is DELETING")],
    )
    async def test_a_state_machine_that_starts_nothing_is_named(self, answer: dict[str, Any], said: str) -> None:
        outputs = {**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP}
        finding = await find(StateMachinesAreActive, Answers(DescribeStateMachine=answer), outputs=outputs)
        assert finding.status is Status.FAILED
        assert said in str(finding.cause)
        assert finding.resource == SWEEP
        assert "cdk deploy --revert-drift" in str(finding.fix)

    async def test_a_rule_that_was_deleted_is_restored(self) -> None:
        aws = Answers(
            ListStackResources=resources(SweepSchedule="AWS::Events::Rule"),
            GetTemplate=template(),
            DescribeRule=error("ResourceNotFoundException"),
        )
        finding = await find(SchedulesAreEnabled, aws, outputs={**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP})
        assert finding.status is Status.FAILED
        assert "The rule SweepSchedule was deleted" in str(finding.cause)
        assert "cdk deploy --revert-drift" in str(finding.fix)

    async def test_the_rule_of_the_drift_detector_is_looked_at_too(self) -> None:
        listed = resources(SweepSchedule="AWS::Events::Rule", DriftDetectorSchedule="AWS::Events::Rule")
        listed["StackResourceSummaries"] += functions(DriftDetector="watch")["StackResourceSummaries"]
        aws = Answers(
            ListStackResources=listed,
            GetTemplate=template(DriftDetector="drift_detector.handler"),
            GetFunctionConfiguration={"FunctionName": "watch", "FunctionArn": "arn:watch"},
            GetFunctionConcurrency={},
            DescribeRule=lambda asked: {"State": "DISABLED" if asked["Name"] == "DriftDetectorSchedule" else "ENABLED"},
            ListTargetsByRule={"Targets": [{"Id": "Target0", "Arn": SWEEP}]},
        )
        finding = await find(SchedulesAreEnabled, aws, outputs={**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP})
        assert finding.status is Status.FAILED
        assert finding.resource == "DriftDetectorSchedule"
