"""Is what a sign-in could not attach taken care of?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pubsub_client.checks.arn import arn_prefix
from pubsub_client.checks.check import Check, Finding, Group, Need, Severity, failed, needless, passed
from pubsub_client.checks.command import AwsCommand, PubSubCommand
from pubsub_client.checks.configuration import OutputsAreComplete
from pubsub_client.checks.queue import messages_in
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context

_NO_QUEUE = "attachment is self-attach: there is no retry queue"


class NoDeadLetters(Check):
    """No attachment was given up.

    A warning only: the users whose attachments are among the dead letters are refused until somebody mends the cause
    and `pubsub redrive` lets the worker try again, or until they sign in or self-attach. Needless where the setting
    `attachment` is `self-attach`.
    """

    id = "PS601"
    group = Group.OPERATIONS
    title = "the dead-letter queue is empty"
    severity = Severity.WARNING
    rests_on = (OutputsAreComplete,)
    needs = frozenset({Need.OPERATOR, Need.STACK})

    async def run(self, context: Context) -> Finding:
        """Count the dead letters, those that somebody just looks at too."""
        if not context.attaches_at_sign_in:
            return needless(_NO_QUEUE)
        queue_url = context.output(Output.DEAD_LETTER_QUEUE_URL)
        count = await asyncio.to_thread(messages_in, context.aws.queues, queue_url)
        if not count:
            return passed()
        return failed(
            f"{count} attachment(s) that sign-ins owed were given up: until these are made, the users are refused.",
            resource=queue_url,
            fix=[
                "See why, mend it, and have them tried again:",
                PubSubCommand(("redrive", "--stack", context.stack, "--dry-run")),
                PubSubCommand(("redrive", "--stack", context.stack, "--yes")),
            ],
        )


class WorkerIsFed(Check):
    """The retry queue's messages reach its worker.

    With its event source mapping disabled, in the console or by Lambda, what sign-ins owe waits until somebody enables
    it, and is lost after 14 days. Needless where the setting `attachment` is `self-attach`.
    """

    id = "PS602"
    group = Group.OPERATIONS
    title = "the retry queue feeds its worker"
    rests_on = (OutputsAreComplete,)
    needs = frozenset({Need.OPERATOR, Need.STACK})

    async def run(self, context: Context) -> Finding:
        """Look for an event source mapping of the queue that is enabled."""
        if not context.attaches_at_sign_in:
            return needless(_NO_QUEUE)
        queue_url = context.output(Output.RETRY_QUEUE_URL)
        answer = await asyncio.to_thread(
            context.aws.functions.list_event_source_mappings, EventSourceArn=_arn(context, queue_url)
        )
        mappings = answer["EventSourceMappings"]
        if not mappings:
            return failed(
                "No function takes the retry queue's messages: what sign-ins owe is never attached.",
                resource=queue_url,
                fix="Add the queue to the worker's triggers (Lambda console), with batch item failures reported; "
                "`cdk deploy` alone does not see what was deleted by hand",
            )
        stopped = [each for each in mappings if each["State"] in {"Disabled", "Disabling"}]
        if stopped == mappings:
            return failed(
                "The event source mapping of the retry queue is disabled: what sign-ins owe is not attached.",
                resource=mappings[0]["UUID"],
                fix=AwsCommand(
                    "lambda", "UpdateEventSourceMapping", {"UUID": mappings[0]["UUID"], "Enabled": True}, safe=True
                ),
            )
        return passed(mappings[0]["State"].lower())


def _arn(context: Context, queue_url: str) -> str:
    """Return the ARN of one of the stack's queues, which is of the account of its roles."""
    return f"{arn_prefix(context, 'sqs')}:{queue_url.rpartition('/')[2]}"
