"""What is told of a sign-in that Cognito does not let go through."""

from __future__ import annotations

import pytest

from pubsub_cli.checks.options import UserSelector
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.finding import Finding, Status
from pubsub_client import CognitoSession
from pubsub_client.exceptions import SignInError
from tests.unit.pubsub_cli.checks.answers import Answers, find


async def sign_in(code: str, monkeypatch: pytest.MonkeyPatch) -> Finding:
    async def refuse(*_: object) -> None:
        raise SignInError(code, "no")

    monkeypatch.setattr(CognitoSession, "sign_in", refuse)
    return await find(UserSignsIn, Answers(), selector=UserSelector("ada", "secret"))


@pytest.mark.parametrize("challenge", ["SOFTWARE_TOKEN_MFA", "SMS_MFA", "EMAIL_OTP", "SELECT_MFA_TYPE", "MFA_SETUP"])
async def test_a_second_factor_is_no_failure_but_asks_for_a_token(
    challenge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = await sign_in(challenge, monkeypatch)
    assert finding.status is Status.SKIPPED
    assert not finding.not_applicable
    assert challenge in str(finding.cause)
    assert "--id-token" in str(finding.cause)


async def test_a_user_without_a_password_is_no_failure_but_asks_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = await sign_in("SELECT_CHALLENGE", monkeypatch)
    assert finding.status is Status.SKIPPED
    assert "without a password: give --id-token" in str(finding.cause)


async def test_a_wrong_password_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await sign_in("NotAuthorizedException", monkeypatch)).status is Status.FAILED


async def test_the_command_that_sets_a_password_means_the_same_in_an_interactive_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fix = str((await sign_in("NEW_PASSWORD_REQUIRED", monkeypatch)).fix)
    assert "nobody knows" in fix
    assert "openssl" in fix
    assert "!" not in fix  # an interactive bash puts its history there, in double quotes too
