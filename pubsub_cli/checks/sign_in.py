"""Does a real user get tokens, and what does the trigger cost?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pubsub_cli.checks.app_clients import AppClientSignsIn
from pubsub_cli.checks.attachment_trace import LOG_SECONDS, lines_within, read_log, was_skipped_for_the_marker
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete, TokenIsGood
from pubsub_cli.checks.context import Context, finish_before_cancel
from pubsub_cli.checks.deployed_functions import Part
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import TriggerIsWired
from pubsub_cli.checks.trigger import PoolMayInvoke, TriggerIsAsDeployed
from pubsub_cli.finding import AwsCommand, Finding, Fix, Status, failed, not_applicable, passed, skipped, warning
from pubsub_cli.pool_users import ATTRIBUTE, Marker, User, read_user
from pubsub_client._sign_in import MFA_CHALLENGES, SELECT_CHALLENGE
from pubsub_client.exceptions import SignInError
from pubsub_client.outputs import Output

# https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html
_OBSTACLES = {
    "UNCONFIRMED": "has not confirmed the sign-up",
    "FORCE_CHANGE_PASSWORD": "still has a temporary password",
    "RESET_REQUIRED": "must reset the password",
}

# How far Lambda's clock and this machine's differ with NTP, and at most; PS405 reports more.
_PRECISE_SECONDS, _CLOCK_SECONDS = 0.1, 2.0
# Further sign-ins, where others signed in at the same moment.
_MORE_ATTEMPTS = 2

_NO_SECOND_FACTOR = (
    "A user who is made for this run has no second factor, and the user pool demands one. Ask about a user of the "
    "app's instead: pubsub doctor --id-token FILE"
)


class UserCanSignIn(Check):
    """The user whom the run asks about is enabled, confirmed, and has no temporary password.

    Cognito refuses the sign-in of any other, and an identity pool with the server-side token check refuses the tokens
    that a disabled or deleted user still has.
    """

    id = "PS123"
    group = Group.SIGN_IN
    title = "the user exists and can sign in"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.USER})

    async def run(self, context: Context) -> Finding:
        """Read the user's state."""
        name, pool = str(context.selector.user_name), context.output(Output.USER_POOL_ID)
        user = await asyncio.to_thread(read_user, context.aws.user_pools, pool, name)
        if user is None:
            return failed(
                f"There is no user {name} in user pool {pool}: nobody can sign in by that name, and tokens that a "
                "deleted user still has are refused where the identity pool checks them.",
                resource=name,
                fix=[
                    "Look for the user, who may have another name:",
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
        if blocker := _OBSTACLES.get(user.status):
            return failed(
                f"User {user.name} {blocker} ({user.status}): Cognito gives no tokens before that is done.",
                resource=user.name,
                fix=AwsCommand("cognito-idp", "AdminConfirmSignUp", who)
                if user.status == "UNCONFIRMED"
                else _set_password(who),
            )
        return passed(str(user))


class UserSignsIn(Check):
    """A user signs in with SRP, as a front end does; by choice-based sign-in if the app client allows only that.

    Run by `pubsub smoke` as a user made for the run; or as the one given by `--user`, or by `--id-token`, whose token
    is used as it is. Everything after it rests on this user's tokens. Only the user can give a second factor, a code or
    a passkey: then an ID token is asked for.
    """

    id = "PS121"
    group = Group.SIGN_IN
    title = "a user signs in"
    depends_on = (AppClientSignsIn, TokenIsGood, UserCanSignIn, PoolMayInvoke, TriggerIsAsDeployed)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        """Make a user if none is given, and sign in."""
        whom = context.selector
        context.session = context.new_session()
        if whom.id_token:
            await context.session.use_id_token(whom.id_token.text)
            context.tokens_arrived = time.monotonic()
            return passed("by the given ID token")
        if whom.user and whom.password is not None:
            context.user = User(whom.user, whom.password)
        else:
            context.user = await context.create_user()
        started = time.monotonic()
        context.sign_in_started = started
        try:
            await finish_before_cancel(context.session.sign_in(context.user.name, context.user.password))
        except SignInError as error:
            if error.code in MFA_CHALLENGES and Requirement.TEST_USERS not in context.available:
                return skipped(f"only the user can give a second factor ({error.code}): give --id-token")
            if error.code == SELECT_CHALLENGE and Requirement.TEST_USERS not in context.available:
                return skipped(f"this user signs in without a password: give --id-token ({error})")
            return failed(str(error), resource=context.user.name, fix=_mend(context, error.code))
        context.tokens_arrived = time.monotonic()
        context.first_sign_in = context.tokens_arrived - started
        context.sign_out_at_end(context.session)
        return passed(f"{context.first_sign_in:.2f} s")


def _set_password(who: Mapping[str, str]) -> list[str | AwsCommand]:
    """Return how the user, or an operator, sets a password that stays."""
    return [
        "Let the user sign in to the app and choose a password of their own; or set one, here a random one that nobody "
        "knows, so that the user resets it in the app (forgotten password):",
        f"""{AwsCommand("cognito-idp", "AdminSetUserPassword", {**who, "Permanent": True})} """
        """--password "$(openssl rand -base64 18)Aa1.\"""",
    ]


def _mend(context: Context, code: str) -> Fix:
    """Return what helps against one of Cognito's refusals."""
    who = {"UserPoolId": context.output(Output.USER_POOL_ID), "Username": context.user.name}
    commands: dict[str, Fix] = {
        "NEW_PASSWORD_REQUIRED": _set_password(who),
        "NotAuthorizedException": ["Check name, password and state:", AwsCommand("cognito-idp", "AdminGetUser", who)],
        "UserNotConfirmedException": AwsCommand("cognito-idp", "AdminConfirmSignUp", who),
        "PasswordResetRequiredException": _set_password(who),
        **dict.fromkeys(MFA_CHALLENGES, _NO_SECOND_FACTOR),
    }
    return commands.get(
        code, "See what Cognito's code says; a trigger of the user pool may have failed: look at its log."
    )


class RepeatSignInIsQuick(Check):
    """The trigger receives an attached user's marker, and passes the user without work.

    Its log says so: the line of this sign-in must say that it was skipped because the marker is current. It fails where
    Cognito does not pass the marker to the trigger. What the first sign-in took longer than this one, it spent
    attaching. A warning if the user is not marked; in both cases every sign-in attaches again. Unknown if the log does
    not show the line in time, or shows those of other users who signed in at the same moment. Needless where the
    setting `attachment` is `self-attach`.
    """

    id = "PS122"
    group = Group.SIGN_IN
    title = "a repeat sign-in skips the attachment"
    depends_on = (UserSignsIn, TriggerIsWired)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.PASSWORD})

    async def run(self, context: Context) -> Finding:
        """Sign in again and compare the times."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: signing in attaches nothing")
        was_marked = await asyncio.to_thread(_is_marked, context)
        span = await _sign_in_again(context)
        if not await asyncio.to_thread(_is_marked, context):
            return warning(
                "The user carries no current marker after two sign-ins: every sign-in attaches again, which costs "
                "its time and AWS IoT's 15 calls a second.",
                resource=context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME),
                fix="Look at the trigger's log for why the marker could not be written.",
            )
        if not was_marked:
            span = await _sign_in_again(context)
        finding = await asyncio.to_thread(_as_logged, context, span)
        for _ in range(_MORE_ATTEMPTS):
            if finding is not None:
                break
            finding = await asyncio.to_thread(_as_logged, context, await _sign_in_again(context))
        if finding is None:
            return _unknown(context, "shows sign-ins of others at the same moment, and names nobody")
        if finding.status is not Status.PASSED:
            return finding
        added = max(0.0, context.first_sign_in - span.seconds)
        return passed(f"{span.seconds:.2f} s, so attaching added {added:.2f} s to the first")


@dataclass(frozen=True)
class _Span:
    """When a sign-in began and ended, in seconds since the epoch."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


async def _sign_in_again(context: Context) -> _Span:
    session = context.new_session()
    begin, started = time.time(), time.monotonic()
    await session.sign_in(context.user.name, context.user.password)
    span = _Span(begin, begin + time.monotonic() - started)
    await session.sign_out()
    return span


def _as_logged(context: Context, span: _Span) -> Finding | None:
    """Return what the trigger's log says of a sign-in of a user with a current marker; None if it says both.

    A line names no user: those of others who sign in at the same moment cannot be told from it.
    """
    (trigger,) = context.functions_of({Part.TRIGGER})
    if trigger.configuration is None:
        raise TypeError("PS127 found the trigger")
    log_group = trigger.configuration["LoggingConfig"]["LogGroup"]
    # The first sign-in ended before this one began, and its line was written before its tokens arrived.
    first_ended = time.time() - (time.monotonic() - context.tokens_arrived)
    logs, begin = context.aws.logs, max(first_ended, span.begin - _CLOCK_SECONDS)
    lines = lines_within(
        logs,
        log_group,
        max(first_ended, span.begin - _PRECISE_SECONDS),
        span.end + _PRECISE_SECONDS,
        timeout=max(LOG_SECONDS, context.timeout),
    ) or lines_within(logs, log_group, begin, span.end + _CLOCK_SECONDS)
    if not lines:
        return _unknown(context, "does not show the repeat sign-in yet")
    if len({was_skipped_for_the_marker(line) for line in lines}) > 1:
        return None
    if was_skipped_for_the_marker(lines[-1]):
        return passed()
    said = ", ".join(str(lines[-1][key]) for key in ("outcome", "reason") if lines[-1].get(key))
    return failed(
        f"The user has a current marker, but the trigger missed it at the repeat sign-in: its log says {said}. Every "
        "sign-in attaches again, which costs its time and AWS IoT's 15 calls a second.",
        resource=trigger.name,
        fix=[
            f"Let the app client read the marker (add {ATTRIBUTE} to its ReadAttributes), if Cognito passes only what "
            "the app client may read. The log of the sign-in:",
            read_log(log_group, begin),
        ],
    )


def _unknown(context: Context, said: str) -> Finding:
    return Finding(
        Status.UNKNOWN,
        cause=f"Whether the trigger saw the user's marker is unknown: its log {said}.",
        resource=context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME),
        fix=f"Run it again: {context.rerun_command}",
    )


def _is_marked(context: Context) -> bool:
    user = context.aws.user_pools.admin_get_user(
        UserPoolId=context.output(Output.USER_POOL_ID), Username=context.user.name
    )
    marker = Marker.of(user["UserAttributes"])
    return marker is not None and marker.fingerprint == context.output(Output.ATTACHMENT_MARKER)
