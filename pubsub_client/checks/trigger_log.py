"""What does the trigger say it did?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pubsub_client.checks.app_clients import NestedSignInIsWired
from pubsub_client.checks.attachment_trace import explain_line, last_word
from pubsub_client.checks.check import Check, Finding, Group, Need, failed, needless, passed
from pubsub_client.checks.command import AwsCommand
from pubsub_client.checks.provisioning import TriggerIsWired
from pubsub_client.checks.sign_in import UserSignsIn
from pubsub_client.checks.trigger import FunctionsMayAttach
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context


class TriggerWorks(Check):
    """What the trigger did last was no failure.

    A trigger that raises or runs out of time fails the sign-in; one that cannot attach says `Failed` in its log, with
    the operation and its answer.
    """

    id = "PS124"
    group = Group.SIGN_IN
    title = "the trigger's last word is no failure"
    rests_on = (UserSignsIn, TriggerIsWired, FunctionsMayAttach, NestedSignInIsWired)
    needs = frozenset({Need.OPERATOR, Need.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the end of its log."""
        if not context.attaches_at_sign_in:
            return needless("attachment is self-attach: there is no trigger")
        name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        function = await asyncio.to_thread(context.aws.functions.get_function_configuration, FunctionName=name)
        log_group = function["LoggingConfig"]["LogGroup"]
        word = await asyncio.to_thread(last_word, context.aws.logs, log_group)
        if word is None:
            return passed("it has said nothing in the last hour")
        if isinstance(word, str):
            return failed(
                f"The trigger {name} failed: {word}. Cognito fails the sign-in then.",
                resource=name,
                fix=AwsCommand("logs", "FilterLogEvents", {"logGroupName": log_group, "limit": 100}),
            )
        if word["outcome"] != "Failed":
            return passed(f"it said {word['outcome']}")
        trace = explain_line(word, function)
        return failed(f"{trace.cause} The user stays without the policy.", resource=name, fix=trace.fix)
