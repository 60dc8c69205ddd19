"""Does a real user get tokens, and what does the trigger cost?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pubsub_client.checks.check import Check, Finding, Group, failed, needless, passed, warning
from pubsub_client.checks.configuration import OutputsAreComplete
from pubsub_client.checks.marker import Marker
from pubsub_client.checks.uninterrupted import uninterrupted
from pubsub_client.exceptions import SignInError
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context


class UserSignsIn(Check):
    """A user signs in with SRP, as a front end does.

    Run by `pubsub smoke` as a user made for the run, or as the one given by `--user`. Everything after it rests on this
    user's tokens.
    """

    id = "PS121"
    group = Group.SIGN_IN
    title = "a user signs in"
    rests_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Make a user if none is given, and sign in."""
        user = context.existing_user
        if user is None:
            user = await uninterrupted(asyncio.to_thread(context.users.make))
        context.user = user
        context.session = context.new_session()
        context.sign_in_started = time.monotonic()
        try:
            await uninterrupted(context.session.sign_in(user.name, user.password))
        except SignInError as error:
            return failed(str(error), resource=user.name, fix=_mend(context, error.code))
        context.tokens_arrived = time.monotonic()
        context.sign_out_at_the_end(context.session)
        return passed(f"{context.first_sign_in:.2f} s")


def _mend(context: Context, code: str) -> str:
    """Return what helps against one of Cognito's refusals."""
    who = f"--user-pool-id {context.output(Output.USER_POOL_ID)} --username {context.user.name}"
    set_password = f"aws cognito-idp admin-set-user-password {who} --permanent --password ..."
    commands = {
        "NEW_PASSWORD_REQUIRED": set_password,
        "NotAuthorizedException": f"Check name, password and state:\naws cognito-idp admin-get-user {who}",
        "UserNotConfirmedException": f"aws cognito-idp admin-confirm-sign-up {who}",
        "PasswordResetRequiredException": set_password,
    }
    return commands.get(
        code, "See what Cognito's code says; a trigger of the user pool may have failed: look at its log."
    )


class RepeatSignInIsQuick(Check):
    """An attached user passes the trigger without work.

    What the first sign-in took longer than this one, it spent attaching. A warning if the user is not marked: then
    every sign-in attaches again. Needless where the setting `attachment` is `self-attach`.
    """

    id = "PS122"
    group = Group.SIGN_IN
    title = "the same user signs in again"
    rests_on = (UserSignsIn,)

    async def run(self, context: Context) -> Finding:
        """Sign in again and compare the times."""
        if not context.attaches_at_sign_in:
            return needless("attachment is self-attach: signing in attaches nothing")
        session = context.new_session()
        begun = time.monotonic()
        await session.sign_in(context.user.name, context.user.password)
        repeat = time.monotonic() - begun
        await session.sign_out()
        if not await asyncio.to_thread(_is_marked, context):
            return warning(
                "The user carries no current marker after two sign-ins: every sign-in attaches again, which costs "
                "its time and AWS IoT's 15 calls a second.",
                resource=context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME),
                fix="Look at the trigger's log for why the marker could not be written.",
            )
        added = max(0.0, context.first_sign_in - repeat)
        return passed(f"{repeat:.2f} s, so attaching added {added:.2f} s to the first")


def _is_marked(context: Context) -> bool:
    user = context.aws.user_pools.admin_get_user(
        UserPoolId=context.output(Output.USER_POOL_ID), Username=context.user.name
    )
    marker = Marker.of(user["UserAttributes"])
    return marker is not None and marker.fingerprint == context.output(Output.ATTACHMENT_MARKER)
