"""The retry queue: what a sign-in could not attach in time, the worker that attaches it, and the dead letters."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .functions import PubSubFunction
from .settings import Settings

# The least that AWS takes for an event source:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
_WORKERS = 2
_WORKER_TIMEOUT = Duration.minutes(2)
# For one message, so that a hanging call does not use up the time of the others.
_MESSAGE_SECONDS = 8.0
_WORKER_MEMORY_SIZE = 512
# Six times the function's, as AWS advises; it counts only for messages that the worker has not put off itself.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_VISIBILITY_TIMEOUT = Duration.minutes(12)
# With the worker's backoff about three hours of failures that each time looked as if they would pass.
_MAX_RECEIVE_COUNT = 30
_RETENTION = Duration.days(14)


class RetryQueue(Construct):
    """An encrypted queue of owed attachments, and behind it the worker, which keeps to its rate."""

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, *, environment: Mapping[str, str]
    ) -> None:
        """Make queue, dead-letter queue and worker.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: for the rates, and the logs of the worker.
            environment: the variables that trigger and worker share.
        """
        super().__init__(scope, construct_id)
        self.dead_letter_queue = _queue(self, "DeadLetters")
        self.queue = _queue(
            self,
            "Queue",
            visibility_timeout=_VISIBILITY_TIMEOUT,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=_MAX_RECEIVE_COUNT),
        )
        rates = settings.attach_per_second
        self.worker = PubSubFunction(
            self,
            "Worker",
            settings=settings,
            handler="attachment_retry.handler",
            description="Attaches the IoT policy where a sign-in could not",
            environment={
                **environment,
                "ATTEMPTS": "1",  # each attempt has a turn of its own
                "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue.queue_url,
                "MESSAGE_SECONDS": str(_MESSAGE_SECONDS),
                "ATTACH_PER_SECOND_THROTTLED": str(rates.retry / _WORKERS),
                "RETRY_QUEUE_URL": self.queue.queue_url,
                "ATTACH_PER_SECOND": str(rates.whole / _WORKERS),
            },
            timeout=_WORKER_TIMEOUT,
            memory_size=_WORKER_MEMORY_SIZE,
        )
        self.dead_letter_queue.grant_send_messages(self.worker)
        self.worker.add_event_source(
            event_sources.SqsEventSource(self.queue, max_concurrency=_WORKERS, report_batch_item_failures=True)
        )


def _queue(
    scope: Construct,
    construct_id: str,
    *,
    visibility_timeout: Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_RETENTION,
        visibility_timeout=visibility_timeout,
        dead_letter_queue=dead_letter_queue,
    )
