from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from pubsub_cli.checks import sign_in, trigger
from pubsub_cli.checks.options import UserSelector
from pubsub_cli.checks.sign_in import RepeatSignInSkipsAttachment, UserCanSignIn, UserSignsIn
from pubsub_cli.finding import Finding, Status
from pubsub_cli.pool_users import ATTRIBUTE, Marker, User
from pubsub_client import CognitoSession
from pubsub_client.exceptions import SignInError
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import OUTPUTS, TRIGGER, StubbedAws, error, run_check, stack


@pytest.mark.parametrize(
    ("status", "enabled", "cause", "fix"),
    [
        ("CONFIRMED", True, None, None),
        ("CONFIRMED", False, "User ada is disabled", "aws cognito-idp admin-enable-user"),
        ("UNCONFIRMED", True, "has not confirmed the sign-up", "aws cognito-idp admin-confirm-sign-up"),
        ("FORCE_CHANGE_PASSWORD", True, "still has a temporary password", "Let the user sign in to the app"),
        ("RESET_REQUIRED", True, "must reset the password", "Let the user sign in to the app"),
    ],
)
async def test_user_who_cannot_sign_in_fails_with_the_state(
    status: str, enabled: bool, cause: str | None, fix: str | None
) -> None:
    user = {"Username": "ada", "UserStatus": status, "Enabled": enabled, "UserAttributes": []}
    finding = await run_check(UserCanSignIn, StubbedAws(AdminGetUser=user), selector=UserSelector("ada"))
    assert finding.status is (Status.FAILED if cause else Status.PASSED)
    assert str(cause) in str(finding.cause)
    assert str(finding.fix).startswith(str(fix))


async def test_user_who_does_not_exist_fails() -> None:
    aws = StubbedAws(AdminGetUser=error("UserNotFoundException"))
    finding = await run_check(UserCanSignIn, aws, selector=UserSelector("ada"))
    assert "There is no user ada" in str(finding.cause)
    assert "aws cognito-idp list-users" in str(finding.fix)


async def refused_sign_in(code: str, monkeypatch: pytest.MonkeyPatch) -> Finding:
    async def refuse(*_: object) -> None:
        raise SignInError(code, "no")

    monkeypatch.setattr(CognitoSession, "sign_in", refuse)
    return await run_check(UserSignsIn, StubbedAws(), selector=UserSelector("ada", "secret"))


@pytest.mark.parametrize("challenge", ["SOFTWARE_TOKEN_MFA", "SMS_MFA", "EMAIL_OTP", "SELECT_MFA_TYPE", "MFA_SETUP"])
async def test_user_with_mfa_is_skipped_and_asks_for_a_token(challenge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = await refused_sign_in(challenge, monkeypatch)
    assert finding.status is Status.SKIPPED
    assert not finding.not_applicable
    assert challenge in str(finding.cause)
    assert "--id-token" in str(finding.cause)


async def test_user_without_password_is_skipped_and_asks_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = await refused_sign_in("SELECT_CHALLENGE", monkeypatch)
    assert finding.status is Status.SKIPPED
    assert "without a password: give --id-token" in str(finding.cause)


async def test_wrong_password_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await refused_sign_in("NotAuthorizedException", monkeypatch)).status is Status.FAILED


async def test_password_command_is_safe_in_an_interactive_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fix = str((await refused_sign_in("NEW_PASSWORD_REQUIRED", monkeypatch)).fix)
    assert "random, unknown password" in fix
    assert "openssl" in fix
    assert "!" not in fix  # an interactive bash expands it from its history, even in double quotes


SKIPPED = {"outcome": "Skipped", "reason": "the marker is current"}
ATTACHED = {"outcome": "Attached", "reason": None}
FEDERATED = {"outcome": "Skipped", "reason": "FederatedUserError"}


@dataclass
class Pool:
    """A user pool whose trigger logs these lines, one list for each sign-in."""

    lines: list[list[dict[str, Any]]]
    marked_from: int = 0
    """The number of sign-ins after which the user has a marker."""
    clock_ahead: float = 0.0
    """Seconds that Lambda's clock is ahead of this machine's."""
    sign_ins: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    async def sign_in(self, *_: object) -> None:
        lines = self.lines[min(self.sign_ins, len(self.lines) - 1)]
        self.sign_ins += 1
        # Only the lines of this sign-in, because those before are a second away.
        at = int((time.time() + self.clock_ahead) * 1000)
        self.log = [{"timestamp": at, "message": json.dumps(each)} for each in lines]

    def user(self, _: dict[str, Any]) -> dict[str, Any]:
        marker = [{"Name": ATTRIBUTE, "Value": str(Marker.now("fingerprint", "eu-west-1:id"))}]
        return {"Username": "ada", "UserAttributes": marker if self.sign_ins >= self.marked_from else []}

    def filtered(self, asked: dict[str, Any]) -> dict[str, Any]:
        within = [each for each in self.log if asked["startTime"] <= each["timestamp"] <= asked["endTime"]]
        return {"events": within}


async def check_repeat(pool: Pool, monkeypatch: pytest.MonkeyPatch, **answers: Any) -> Finding:
    async def sign_out(_: object) -> None:
        pass

    monkeypatch.setattr(CognitoSession, "sign_in", lambda _, *given: pool.sign_in(*given))
    monkeypatch.setattr(CognitoSession, "sign_out", sign_out)
    monkeypatch.setattr(sign_in, "LOG_SECONDS", 0.0)
    monkeypatch.setattr(trigger, "_POLL_SECONDS", 0.01)
    aws = StubbedAws(
        **{
            **stack({TRIGGER: "post_authentication.handler"}, LoggingConfig={"LogGroup": "/log"}),
            "AdminGetUser": pool.user,
            "FilterLogEvents": pool.filtered,
            **answers,
        }
    )
    now = time.monotonic()
    return await run_check(
        RepeatSignInSkipsAttachment,
        aws,
        outputs={**OUTPUTS, Output.ATTACHMENT_MARKER.value: "fingerprint"},
        selector=UserSelector("ada", "secret"),
        fields={"user": User("ada", "secret"), "first_sign_in": 0.5, "tokens_arrived": now - 1},
    )


async def test_repeat_sign_in_that_the_marker_skipped_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool([[SKIPPED]])
    assert (await check_repeat(pool, monkeypatch)).status is Status.PASSED
    assert pool.sign_ins == 1


@pytest.mark.parametrize("clock_ahead", [-0.9, 1.5])
async def test_small_clock_difference_hides_no_log_line(clock_ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool([[SKIPPED]], clock_ahead=clock_ahead)
    assert (await check_repeat(pool, monkeypatch)).status is Status.PASSED


@pytest.mark.parametrize(
    ("line", "said"), [(ATTACHED, "shows Attached for"), (FEDERATED, "shows Skipped, FederatedUserError for")]
)
async def test_trigger_that_does_not_receive_the_marker_fails(
    line: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = await check_repeat(Pool([[line]]), monkeypatch)
    assert finding.status is Status.FAILED
    assert said in str(finding.cause)
    assert f"add {ATTRIBUTE} to its ReadAttributes" in str(finding.fix)
    assert "aws logs filter-log-events --log-group-name /log" in str(finding.fix)


@pytest.mark.parametrize("answers", [{}, {"FilterLogEvents": error("ResourceNotFoundException")}])
async def test_repeat_sign_in_without_log_line_is_unknown(
    answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = await check_repeat(Pool([[]]), monkeypatch, **answers)
    assert finding.status is Status.UNKNOWN
    assert "does not show the repeat sign-in yet" in str(finding.cause)


async def test_repeat_sign_in_is_retried_if_others_sign_in_at_the_same_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool([[ATTACHED, SKIPPED], [SKIPPED]])
    assert (await check_repeat(pool, monkeypatch)).status is Status.PASSED
    assert pool.sign_ins == 2
    always = Pool([[ATTACHED, SKIPPED]])
    finding = await check_repeat(always, monkeypatch)
    assert finding.status is Status.UNKNOWN
    assert "several sign-ins at the same moment" in str(finding.cause)
    assert always.sign_ins == 3


async def test_sign_in_that_marks_the_user_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool([[ATTACHED], [SKIPPED]], marked_from=1)
    assert (await check_repeat(pool, monkeypatch)).status is Status.PASSED
    assert pool.sign_ins == 2


async def test_user_who_is_never_marked_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = await check_repeat(Pool([[ATTACHED]], marked_from=9), monkeypatch)
    assert finding.status is Status.WARNING
    assert "no current marker after two sign-ins" in str(finding.cause)
