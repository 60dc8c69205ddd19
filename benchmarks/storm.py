"""A storm: new users sign in faster than AttachPolicy allows: ``python -m benchmarks.storm``.

The rate is a throttle in the local cloud, so what it refuses is refused as AWS refuses it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from benchmarks.password_sign_in import PasswordSignIn, password_sign_in
from benchmarks.report import console, deploy, empty_directory, save
from local_cloud.faults import Throttle
from local_cloud.process import LocalCloud
from local_cloud.steps import Steps
from pubsub_client.outputs import Output

_SLACK = 1.1
# How much longer than its bound a storm is watched, so that what comes late is told from what never comes.
_PATIENCE = 3
_POLL_SECONDS = 0.25
_WARM_UP_SECONDS = 60
# What the queue itself has moved there has no reason of the worker's.
_TOO_OFTEN = {"StringValue": "received too often"}


@dataclass(frozen=True)
class Storm:
    """How a storm went.

    Attributes:
        users: how many signed in.
        rate: AttachPolicy calls a second that the cloud let pass.
        failed_sign_ins: why sign-ins failed, and how many.
        attached: how many of the users' identities have the policy.
        sign_in_seconds: from the first sign-in to the end of the last.
        settle_seconds: from there until all were attached, or until nobody waited any longer.
        dead_letters: why messages are in the dead-letter queue, those of the warm-up too, and how many.
        left_in_queue: messages in the retry queue when all were attached and it had the time to empty.
        sign_in_outcomes: what the trigger has logged: outcome and reason, and how many.
        retry_outcomes: what the queue's worker has logged.
        throttled: calls that the throttle refused.
    """

    users: int
    rate: float
    failed_sign_ins: dict[str, int]
    attached: int
    sign_in_seconds: float
    settle_seconds: float
    dead_letters: dict[str, int]
    left_in_queue: int
    sign_in_outcomes: dict[str, int]
    retry_outcomes: dict[str, int]
    throttled: int

    @property
    def bound_seconds(self) -> float:
        """How long it may take until all are attached, from the end of the last sign-in."""
        return _SLACK * self.users / self.rate

    def broken_bounds(self) -> list[str]:
        """Return what a good storm would not have shown, in words."""
        bounds = {
            f"{sum(self.failed_sign_ins.values())} sign-ins failed": not self.failed_sign_ins,
            f"{self.attached} of {self.users} attached": self.attached == self.users,
            f"{self.settle_seconds:.1f} s to settle, bound {self.bound_seconds:.1f} s": self.settle_seconds
            <= self.bound_seconds,
            f"{sum(self.dead_letters.values())} dead letters": not self.dead_letters,
            f"{self.left_in_queue} messages left in the retry queue": self.left_in_queue == 0,
        }
        return [words for words, kept in bounds.items() if not kept]


def attach_per_second(rate: int) -> dict[str, int]:
    """Return the setting ``attachPerSecond`` for an account with this rate, 3 at least; that of 15 is the default."""
    sign_in, sweep = rate // 3, max(1, rate // 7)
    return {"signIn": sign_in, "retry": rate - sign_in - sweep, "sweep": sweep}


def storm(
    cloud: LocalCloud, outputs: Mapping[str, str], *, users: int = 400, rate: float = 15, threads: int = 16
) -> Storm:
    """Let new users sign in, as fast as this machine can, and wait until all are attached.

    Args:
        cloud: a local cloud with the stack deployed, on which nobody else signs in meanwhile.
        outputs: the stack's outputs.
        users: how many.
        rate: AttachPolicy calls a second that pass; the stack's ``attachPerSecond`` should add up to it.
        threads: how many sign in at once.
    """
    with (
        ThreadPoolExecutor(threads) as pool,
        password_sign_in(cloud, outputs[Output.USER_POOL_ID], connections=threads) as them,
    ):
        watch = _Watch(cloud, outputs)
        _warm_up(pool, them, threads)
        names = list(pool.map(lambda _: them.make_user(), range(users)))
        _wait_for(lambda: watch.messages(Output.RETRY_QUEUE_URL) == 0, until=time.monotonic() + _WARM_UP_SECONDS)
        watch.begin()
        with cloud.fault("iot:AttachPolicy", Throttle(rate)):
            begun = time.monotonic()
            failures = Counter(filter(None, pool.map(lambda name: _failure(them.sign_in, name), names)))
            signed_in = time.monotonic()
            patience = signed_in + _PATIENCE * _SLACK * users / rate
            _wait_for(lambda: watch.attached() >= users, until=patience)
            settled = time.monotonic()
            _wait_for(lambda: watch.messages(Output.RETRY_QUEUE_URL) == 0, until=patience)
            (throttle,) = (each for each in cloud.faults() if each.fault.operations == ("iot:AttachPolicy",))
    return Storm(
        users=users,
        rate=rate,
        failed_sign_ins=dict(failures),
        attached=watch.attached(),
        sign_in_seconds=signed_in - begun,
        settle_seconds=settled - signed_in,
        dead_letters=watch.dead_letters(),
        left_in_queue=watch.messages(Output.RETRY_QUEUE_URL),
        sign_in_outcomes=watch.outcomes(watch.trigger),
        retry_outcomes=watch.outcomes(watch.worker),
        throttled=throttle.hits,
    )


def _warm_up(pool: ThreadPoolExecutor, them: PasswordSignIn, threads: int) -> None:
    """Start the functions that so many sign-ins at once need, few at a time.

    On AWS each has a CPU of its own. Here they share this machine's, and all at once could outlast Cognito's patience.
    """
    for at_once in (1, *(2**power for power in range(1, threads.bit_length())), threads):
        list(pool.map(lambda _: _failure(them.sign_in, them.make_user()), range(at_once)))


def _wait_for(condition: Callable[[], bool], *, until: float) -> None:
    """Wait for a condition, but not longer than until a time of the monotonic clock."""
    while not condition() and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)


def _failure(sign_in: Callable[[str], None], name: str) -> str | None:
    """Sign in; return why it failed, if it did."""
    try:
        sign_in(name)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except BotoCoreError as error:
        return type(error).__name__
    return None


class _Watch:
    """Looks at what a storm does in the cloud."""

    def __init__(self, cloud: LocalCloud, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs
        self._iot, self._sqs, self._logs, self._functions = (
            cloud.client(service) for service in ("iot", "sqs", "logs", "lambda")
        )
        self.trigger = outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        self.worker = self._worker()
        self.begin()

    def begin(self) -> None:
        """Look away from all that was before."""
        self._since = int(time.time() * 1000)
        self._before = self._targets()

    def attached(self) -> int:
        """Return how many identities have the policy that had it not before."""
        return len(self._targets() - self._before)

    def messages(self, queue: Output) -> int:
        """Return how many messages are in a queue, those under way and those put off too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._outputs[queue], AttributeNames=names)
        return sum(int(count) for count in answer["Attributes"].values())

    def dead_letters(self) -> dict[str, int]:
        """Return why messages are in the dead-letter queue, and how many; they are left there."""
        reasons: Counter[str] = Counter()
        queue_url = self._outputs[Output.DEAD_LETTER_QUEUE_URL]
        while messages := self._sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["Reason"], VisibilityTimeout=10
        ).get("Messages"):
            reasons.update(
                each.get("MessageAttributes", {}).get("Reason", _TOO_OFTEN)["StringValue"] for each in messages
            )
        return dict(reasons)

    def outcomes(self, function: str) -> dict[str, int]:
        """Return what a function has logged of attachments since: outcome and reason, and how often."""
        lines = [json.loads(message) for message in self._messages(function) if message.startswith("{")]
        return dict(Counter(": ".join(filter(None, (line["outcome"], line["reason"]))) for line in lines))

    def _messages(self, function: str) -> Iterator[str]:
        configuration = self._functions.get_function_configuration(FunctionName=function)
        log_group = configuration["LoggingConfig"]["LogGroup"]
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=log_group, startTime=self._since)
        return (event["message"].strip() for page in pages for event in page["events"])

    def _targets(self) -> set[str]:
        pages = self._iot.get_paginator("list_targets_for_policy").paginate(
            policyName=self._outputs[Output.POLICY_NAME]
        )
        return {target for page in pages for target in page["targets"]}

    def _worker(self) -> str:
        queue = self._sqs.get_queue_attributes(
            QueueUrl=self._outputs[Output.RETRY_QUEUE_URL], AttributeNames=["QueueArn"]
        )
        mappings: list[dict[str, Any]] = self._functions.list_event_source_mappings(
            EventSourceArn=queue["Attributes"]["QueueArn"]
        )["EventSourceMappings"]
        (mapping,) = mappings
        return str(mapping["FunctionArn"])


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    users: Annotated[int, typer.Option(min=1, help="How many new users sign in.")] = 400,
    rate: Annotated[int, typer.Option(min=3, help="AttachPolicy calls a second that pass.")] = 15,
    threads: Annotated[int, typer.Option(min=1, help="How many sign in at once.")] = 16,
) -> None:
    """Deploy, storm, show and save; exit code 1 when a bound is broken."""
    directory = empty_directory("storm")
    steps = Steps()
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        settings = {"attachPerSecond": attach_per_second(rate)}
        outputs = steps.run("deploy", lambda: deploy(cloud, directory, settings))
        result = steps.run(
            f"storm of {users} users at {rate} attachments a second",
            lambda: storm(cloud, outputs, users=users, rate=rate, threads=threads),
        )
    console.print(_table(result))
    broken = result.broken_bounds()
    save("storm", asdict(result) | {"bound_seconds": result.bound_seconds, "broken_bounds": broken})
    if broken:
        print(f"storm failed: {'; '.join(broken)}")
        raise typer.Exit(1)
    print(
        f"storm passed: {result.attached} of {users} attached, no sign-in failed, settled in "
        f"{result.settle_seconds / result.bound_seconds:.2f} of the time it may take"
    )


def _table(result: Storm) -> Table:
    table = Table("", "", title="storm", title_justify="left", show_header=False)
    table.add_row("failed sign-ins", _counts(result.failed_sign_ins) or "none")
    table.add_row("attached", f"{result.attached} of {result.users}")
    table.add_row(
        "sign-ins",
        f"{result.sign_in_seconds:.1f} s, {result.users / result.sign_in_seconds:.1f} a second, "
        f"{result.users / result.sign_in_seconds / result.rate:.1f} of the rate",
    )
    table.add_row(
        "last sign-in until all attached", f"{result.settle_seconds:.1f} s, bound {result.bound_seconds:.1f} s"
    )
    table.add_row("AttachPolicy throttled", f"{result.throttled} times")
    table.add_row("in the trigger's log", _counts(result.sign_in_outcomes))
    table.add_row("in the worker's log", _counts(result.retry_outcomes))
    table.add_row("dead letters", _counts(result.dead_letters) or "none")
    table.add_row("left in the retry queue", str(result.left_in_queue))
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda each: -each[1]))


if __name__ == "__main__":
    app()
