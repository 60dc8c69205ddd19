"""Checks of the sign-in: the user's state, the sign-in, the trigger's last run, and a repeat sign-in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from pubsub_cli.checks.app_clients import AppClientSignsIn
from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete, TokenIsValid
from pubsub_cli.checks.context import Context, finish_before_cancel
from pubsub_cli.checks.functions import LogGroupsExist
from pubsub_cli.checks.internal_sign_in import InternalSignInIsConfigured, MacKeyIsUsable
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import TriggerIsConfigured
from pubsub_cli.checks.trigger import (
    LOG_SECONDS,
    FunctionsMayAttach,
    PoolMayInvoke,
    TriggerIsAsDeployed,
    diagnose_line,
    is_skipped_by_marker,
    last_log_entry,
    read_lines,
    read_log,
    sign_in_time,
)
from pubsub_cli.finding import (
    AwsCommand,
    Finding,
    Fix,
    Status,
    failed,
    not_applicable,
    passed,
    skipped,
    unknown,
    warning,
)
from pubsub_cli.pool_users import ATTRIBUTE, Marker, User, read_user
from pubsub_cli.stack import Function, log_group_of
from pubsub_client._sign_in import MFA_CHALLENGES, SELECT_CHALLENGE
from pubsub_client.exceptions import SignInError
from pubsub_client.outputs import Output

# https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html
_BLOCKERS = {
    "UNCONFIRMED": "has not confirmed the sign-up",
    "FORCE_CHANGE_PASSWORD": "still has a temporary password",
    "RESET_REQUIRED": "must reset the password",
}

# The difference between Lambda's clock and this machine's: with NTP, and at most. PS405 reports larger differences.
_PRECISE_SECONDS, _CLOCK_SECONDS = 0.1, 2.0
# Additional sign-ins if other users signed in at the same moment.
_MORE_ATTEMPTS = 2

_SECONDS_BEFORE = 60
"""The fix shows the log from this long before a failure."""

_ATTACHES_AGAIN = "So every sign-in attaches again, which takes time and uses AWS IoT's 15 calls a second."
_MFA_REQUIRED = (
    "The user pool requires MFA, and test users have not set it up. Check a user of the app instead: "
    "pubsub doctor --id-token FILE"
)


class UserCanSignIn(BlockingCheck):
    """Cognito refuses the sign-in of a user who is disabled, unconfirmed, or has a temporary password. An identity pool
    that checks tokens also rejects the tokens of disabled or deleted users.
    """

    id = "PS123"
    group = Group.SIGN_IN
    title = "the user exists and can sign in"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.USER})

    def examine(self, context: Context) -> Finding:
        name, pool = str(context.selector.user_name), context.output(Output.USER_POOL_ID)
        user = read_user(context.aws.user_pools, pool, name)
        if user is None:
            return failed(
                f"There is no user {name} in user pool {pool}, so Cognito refuses the sign-in.",
                resource=name,
                fix=[
                    "Find the user's name:",
                    AwsCommand("cognito-idp", "ListUsers", {"UserPoolId": pool}),
                ],
            )
        context.pool_user = user
        who = {"UserPoolId": pool, "Username": user.name}
        if not user.enabled:
            return failed(
                f"User {user.name} is disabled: Cognito refuses every sign-in of this user.",
                resource=user.name,
                fix=AwsCommand("cognito-idp", "AdminEnableUser", who),
            )
        if blocker := _BLOCKERS.get(user.status):
            return failed(
                f"User {user.name} {blocker} ({user.status}), so Cognito issues no tokens.",
                resource=user.name,
                fix=AwsCommand("cognito-idp", "AdminConfirmSignUp", who)
                if user.status == "UNCONFIRMED"
                else _set_password(who),
            )
        return passed(str(user))


class UserSignsIn(Check):
    """The user signs in with SRP as a front end does, or by choice-based sign-in if the app client allows only that.
    `pubsub smoke` creates a test user; `--user` names another one. For MFA, one-time codes and passkeys, give
    `--id-token`.
    """

    id = "PS121"
    group = Group.SIGN_IN
    title = "a user signs in"
    depends_on = (AppClientSignsIn, TokenIsValid, UserCanSignIn, PoolMayInvoke, TriggerIsAsDeployed)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        selector = context.selector
        context.session = context.new_session()
        if selector.id_token:
            await context.session.use_id_token(selector.id_token.text)
            context.tokens_arrived = time.monotonic()
            return passed("by the given ID token")
        if selector.user and selector.password is not None:
            context.user = User(selector.user, selector.password)
        else:
            context.user = await context.create_user()
        started = time.monotonic()
        context.sign_in_started = started
        try:
            await finish_before_cancel(context.session.sign_in(context.user.name, context.user.password))
        except SignInError as error:
            if error.code in MFA_CHALLENGES and Requirement.TEST_USERS not in context.available:
                return skipped(f"the user has MFA ({error.code}): give --id-token")
            if error.code == SELECT_CHALLENGE and Requirement.TEST_USERS not in context.available:
                return skipped(f"this user signs in without a password: give --id-token ({error})")
            return failed(str(error), resource=context.user.name, fix=_fix_sign_in(context, error.code))
        context.tokens_arrived = time.monotonic()
        context.first_sign_in = context.tokens_arrived - started
        context.sign_out_at_end(context.session)
        return passed(f"{context.first_sign_in:.2f} s")


def _set_password(who: Mapping[str, str]) -> list[str | AwsCommand]:
    """Return how the user or an operator sets a permanent password."""
    return [
        "Let the user sign in to the app and choose a password. Or set a random, unknown password, so that the user "
        "resets it in the app (forgotten password):",
        f"""{AwsCommand("cognito-idp", "AdminSetUserPassword", {**who, "Permanent": True})} """
        """--password "$(openssl rand -base64 18)Aa1.\"""",
    ]


def _fix_sign_in(context: Context, code: str) -> Fix:
    """Return the fix for an error code of Cognito."""
    who = {"UserPoolId": context.output(Output.USER_POOL_ID), "Username": context.user.name}
    commands: dict[str, Fix] = {
        "NEW_PASSWORD_REQUIRED": _set_password(who),
        "NotAuthorizedException": ["Check the password and the state:", AwsCommand("cognito-idp", "AdminGetUser", who)],
        "UserNotConfirmedException": AwsCommand("cognito-idp", "AdminConfirmSignUp", who),
        "PasswordResetRequiredException": _set_password(who),
        **dict.fromkeys(MFA_CHALLENGES, _MFA_REQUIRED),
    }
    return commands.get(code, "Read Cognito's message. A trigger of the user pool may have failed: read its log.")


class LastTriggerRunSucceeded(BlockingCheck):
    """A trigger that raises an error or times out fails the sign-in. One that cannot attach the policy logs `Failed`,
    with the operation and its error. A failure before this run's sign-in is a warning, because it might be fixed.
    """

    id = "PS124"
    group = Group.SIGN_IN
    title = "the trigger's last run succeeded"
    depends_on = (
        UserSignsIn,
        TriggerIsConfigured,
        FunctionsMayAttach,
        MacKeyIsUsable,
        LogGroupsExist,
        InternalSignInIsConfigured,
    )
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        function = context.aws.functions.get_function_configuration(FunctionName=name)
        log_group = log_group_of(function)
        entry = last_log_entry(context.aws.logs, log_group)
        if entry is None:
            return not_applicable("no run within the last hour")
        report, logged = entry
        at = f"{datetime.fromtimestamp(logged, UTC):%H:%M:%S %Z}"
        signed_in = sign_in_time(context)
        is_of_this_run = signed_in is not None and logged >= signed_in
        if not isinstance(report, str) and report["outcome"] != "Failed":
            since = ", since this sign-in began" if is_of_this_run else ""
            return passed(f"{report['outcome']} at {at}{since}")
        result = failed if is_of_this_run else warning
        since_time = logged - _SECONDS_BEFORE
        if isinstance(report, str):
            return result(
                f"At {at} the trigger {name} failed, so Cognito failed the sign-in: {report}.",
                resource=name,
                fix=read_log(log_group, since_time),
            )
        cause, fix = diagnose_line(report, function, since_time)
        return result(f"A sign-in at {at} did not attach the policy. {cause}", resource=name, fix=fix)


class RepeatSignInSkipsAttachment(Check):
    """The trigger's log must show that the user's marker made it skip the attachment. Otherwise every sign-in attaches
    again, which is slow. A user without a marker is a warning. A late or ambiguous log line is unknown.
    """

    id = "PS122"
    group = Group.IDENTITY
    title = "a repeat sign-in skips the attachment"
    depends_on = (UserSignsIn, TriggerIsConfigured)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.PASSWORD})
    requires_trigger = True

    async def run(self, context: Context) -> Finding:
        was_marked = await asyncio.to_thread(_is_marked, context)
        begin, end = await _sign_in_again(context)
        if not await asyncio.to_thread(_is_marked, context):
            return warning(
                f"The user has no current marker after two sign-ins. {_ATTACHES_AGAIN}",
                resource=context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME),
                fix="Read the trigger's log, which shows why the marker was not written.",
            )
        if not was_marked:
            begin, end = await _sign_in_again(context)
        finding = await asyncio.to_thread(_logged_outcome, context, begin, end)
        for _ in range(_MORE_ATTEMPTS):
            if finding is not None:
                break
            finding = await asyncio.to_thread(_logged_outcome, context, *await _sign_in_again(context))
        if finding is None:
            return _unknown(context, "shows several sign-ins at the same moment, and no user names")
        if finding.status is not Status.PASSED:
            return finding
        seconds = end - begin
        added = max(0.0, context.first_sign_in - seconds)
        return passed(f"{seconds:.2f} s, so attaching added {added:.2f} s to the first")


async def _sign_in_again(context: Context) -> tuple[float, float]:
    """Sign in again, and return the begin and the end in seconds since the epoch."""
    session = context.new_session()
    begin, started = time.time(), time.monotonic()
    await session.sign_in(context.user.name, context.user.password)
    end = begin + time.monotonic() - started
    await session.sign_out()
    return begin, end


def _logged_outcome(context: Context, begin: float, end: float) -> Finding | None:
    """Return whether the trigger skipped a sign-in of a user with a current marker; None if its log is ambiguous.

    A line contains no user name, so other users who sign in at the same moment look the same.
    """
    (trigger,) = context.functions_of({Function.TRIGGER})
    if trigger.configuration is None:
        raise TypeError("PS127 found the trigger")
    # The line of the first sign-in was written before its tokens arrived.
    first_ended = time.time() - (time.monotonic() - context.tokens_arrived)
    logs, log_group = context.aws.logs, trigger.log_group
    earliest = max(first_ended, begin - _CLOCK_SECONDS)
    lines = read_lines(
        logs,
        log_group,
        max(first_ended, begin - _PRECISE_SECONDS),
        end + _PRECISE_SECONDS,
        timeout=max(LOG_SECONDS, context.timeout),
    ) or read_lines(logs, log_group, earliest, end + _CLOCK_SECONDS)
    if not lines:
        return _unknown(context, "does not show the repeat sign-in yet")
    if len({is_skipped_by_marker(line) for line in lines}) > 1:
        return None
    if is_skipped_by_marker(lines[-1]):
        return passed()
    outcome = ", ".join(str(lines[-1][key]) for key in ("outcome", "reason") if lines[-1].get(key))
    return failed(
        f"The user has a current marker, but the trigger did not receive it: its log shows {outcome} for the repeat "
        f"sign-in. {_ATTACHES_AGAIN}",
        resource=trigger.name,
        fix=[
            f"Cognito may pass only attributes that the app client can read: add {ATTRIBUTE} to its ReadAttributes. "
            "The log shows the sign-in:",
            read_log(log_group, earliest),
        ],
    )


def _unknown(context: Context, log_state: str) -> Finding:
    return unknown(
        f"It is unknown whether the trigger received the user's marker: its log {log_state}.",
        resource=context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME),
        fix=f"Run it again: {context.rerun_command}",
    )


def _is_marked(context: Context) -> bool:
    user = context.aws.user_pools.admin_get_user(
        UserPoolId=context.output(Output.USER_POOL_ID), Username=context.user.name
    )
    marker = Marker.of(user["UserAttributes"])
    return marker is not None and marker.fingerprint == context.output(Output.ATTACHMENT_MARKER)
