"""What does the trigger say it did?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pubsub_cli.checks.app_clients import InternalSignInIsConfigured
from pubsub_cli.checks.attachment_trace import explain_line, last_word, read_log, sign_in_time
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.log_groups import LogGroupsExist
from pubsub_cli.checks.mac_key import MacKeyIsUsable
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import TriggerIsWired
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.checks.trigger import FunctionsMayAttach
from pubsub_cli.finding import Finding, failed, not_applicable, passed, warning
from pubsub_client.outputs import Output

_BEFORE_SECONDS = 60
"""How much of the log before a failure is shown with it."""


class TriggerWorks(Check):
    """What the trigger did last was no failure.

    A trigger that raises or runs out of time fails the sign-in; one that cannot attach says `Failed` in its log, with
    the operation and its answer. A failure of another sign-in than the run's own is a warning: it may be mended since.
    """

    id = "PS124"
    group = Group.SIGN_IN
    title = "the trigger's last run succeeded"
    depends_on = (
        UserSignsIn,
        TriggerIsWired,
        FunctionsMayAttach,
        MacKeyIsUsable,
        LogGroupsExist,
        InternalSignInIsConfigured,
    )
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the end of its log."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: there is no trigger")
        name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        function = await asyncio.to_thread(context.aws.functions.get_function_configuration, FunctionName=name)
        log_group = function["LoggingConfig"]["LogGroup"]
        word = await asyncio.to_thread(last_word, context.aws.logs, log_group)
        if word is None:
            return passed("it has said nothing in the last hour")
        said, at = word.said, f"{datetime.fromtimestamp(word.at, UTC):%H:%M:%S %Z}"
        signed_in = sign_in_time(context)
        is_of_this_run = signed_in is not None and word.at >= signed_in
        if not isinstance(said, str) and said["outcome"] != "Failed":
            since = ", since this sign-in began" if is_of_this_run else ""
            return passed(f"it said {said['outcome']} at {at}{since}")
        found = failed if is_of_this_run else warning
        if isinstance(said, str):
            return found(
                f"At {at} the trigger {name} failed: {said}. Cognito fails the sign-in then.",
                resource=name,
                fix=read_log(log_group, word.at - _BEFORE_SECONDS),
            )
        trace = explain_line(said, function, word.at - _BEFORE_SECONDS)
        return found(f"At {at}: {trace.cause} The user stays without the policy.", resource=name, fix=trace.fix)
