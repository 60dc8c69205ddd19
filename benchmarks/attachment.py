"""Attach many users on a local cloud: at sign-in under AWS's rate limit, and by sweeps.

``python -m benchmarks.attachment`` deploys the stack and measures two things:

- A storm: new users sign in faster than AttachPolicy allows. No sign-in may fail, and the retry queue must attach the
  remaining users at the rate of the quota.
- Sweeps over seeded identities, whose durations are compared with the estimates of ``docs/explanation/scale.md``.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.report import REPOSITORY, empty_directory, save
from benchmarks.scale import ATTACH, Latencies, sweep
from local_cloud.environment import CREDENTIALS
from local_cloud.faults import Delay, Throttle
from local_cloud.process import LocalCloud
from local_cloud.provisioning import CdkApp
from local_cloud.steps import Steps
from pubsub_client.outputs import Output

_STORM_RATE = 15
"""AttachPolicy calls a second: AWS's default quota, and the sum of the default setting ``attachPerSecond``."""
_STORM_SLACK = 1.1
_STORM_THREADS = 16
_SWEEP_RATE = 100
_SWEEP_TOLERANCE = 0.1
# The seconds that calls take on the local cloud, and that pass between two steps of the state machine.
_LIST_SECONDS, _ATTACH_SECONDS, _PAGE_SECONDS, _STEP_SECONDS = 0.015, 0.015, 0.03, 0.5
# In the second sweep AWS IoT answers so late that the sweep's threads set the pace, and not the rate.
_SWEEP_DELAYS = (0.0, 0.5)
_POLL_SECONDS = 0.1
_PASSWORD = "Sup3r-secret-passw0rd!"  # noqa: S105 - of users on a local cloud


class _Stack:
    """The deployed stack, and what an administrator does with it."""

    def __init__(self, cloud: LocalCloud, outputs: Mapping[str, str]) -> None:
        self.cloud = cloud
        self.outputs = outputs
        self._cognito: Any = boto3.client(
            "cognito-idp",
            region_name=cloud.region,
            endpoint_url=cloud.endpoint_url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            # Failed sign-ins must be counted, not retried.
            config=Config(proxies={}, max_pool_connections=_STORM_THREADS, retries={"total_max_attempts": 1}),
        )
        self._pool_id = outputs[Output.USER_POOL_ID]

    def add_password_client(self) -> str:
        """Add an app client for sign-ins by password, because the arithmetic of SRP would limit the storm."""
        client = self._cognito.create_user_pool_client(
            UserPoolId=self._pool_id, ClientName="bench", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )
        return str(client["UserPoolClient"]["ClientId"])

    def create_user(self) -> str:
        """Create a user with a permanent password, and return the name."""
        name = f"bench-{uuid.uuid4().hex}"
        email = {"Name": "email", "Value": f"{name}@example.com"}
        user = {"UserPoolId": self._pool_id, "Username": name}
        self._cognito.admin_create_user(**user, MessageAction="SUPPRESS", UserAttributes=[email])
        self._cognito.admin_set_user_password(**user, Password=_PASSWORD, Permanent=True)
        return name

    def sign_in(self, client_id: str, name: str) -> bool:
        """Return whether the sign-in succeeded; it ends when the trigger has ended."""
        try:
            self._cognito.admin_initiate_auth(
                UserPoolId=self._pool_id,
                ClientId=client_id,
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": _PASSWORD},
            )
        except (ClientError, BotoCoreError):
            return False
        return True

    def attached(self) -> set[str]:
        """Return the identities that have the policy."""
        pages = self.cloud.client("iot").get_paginator("list_targets_for_policy")
        return {
            target for page in pages.paginate(policyName=self.outputs[Output.POLICY_NAME]) for target in page["targets"]
        }

    def messages(self, queue: Output) -> int:
        """Return how many messages are in a queue, with those that are being processed."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)
        return sum(int(count) for count in answer["Attributes"].values())

    def run_sweep(self) -> float:
        """Sweep all identities, and return the seconds of the execution."""
        states = self.cloud.client("stepfunctions")
        started = time.monotonic()
        execution = states.start_execution(
            stateMachineArn=self.outputs[Output.SWEEP_STATE_MACHINE_ARN], input=json.dumps({"full": True})
        )["executionArn"]
        while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(_POLL_SECONDS)
        if found["status"] != "SUCCEEDED":
            raise SystemExit(f"the sweep ended with status {found['status']}: {found.get('cause')}")
        return time.monotonic() - started


@contextmanager
def _deployed(directory: Path, settings: dict[str, Any]) -> Iterator[_Stack]:
    """Deploy the stack to a local cloud of its own."""
    app = CdkApp.in_directory(REPOSITORY, {"amplify-pubsub": settings})
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        yield _Stack(cloud, app.synthesize(directory / "cdk.out").deploy(cloud))


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition is true, or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _storm(directory: Path, users: int) -> tuple[dict[str, float], list[str]]:
    """Let new users sign in, and wait until all are attached; return the figures and the problems."""
    with _deployed(directory, {}) as stack, ThreadPoolExecutor(_STORM_THREADS) as pool:
        client_id = stack.add_password_client()

        def sign_in(names: list[str]) -> int:
            return sum(pool.map(lambda name: stack.sign_in(client_id, name), names))

        # Start the functions a few at a time: on AWS each has a CPU of its own, here they share this machine's.
        for count in (1, 4, _STORM_THREADS):
            sign_in([stack.create_user() for _ in range(count)])
        _wait_for(lambda: stack.messages(Output.RETRY_QUEUE_URL) == 0, 60)
        before = stack.attached()
        names = list(pool.map(lambda _: stack.create_user(), range(users)))
        bound = _STORM_SLACK * users / _STORM_RATE
        with stack.cloud.fault(ATTACH, Throttle(_STORM_RATE)):
            started = time.monotonic()
            succeeded = sign_in(names)
            signed_in = time.monotonic()
            _wait_for(lambda: len(stack.attached() - before) >= users, 3 * bound)
            seconds = time.monotonic() - signed_in
        attached, dead = len(stack.attached() - before), stack.messages(Output.DEAD_LETTER_QUEUE_URL)
    problems = {
        f"{users - succeeded} sign-ins failed": succeeded < users,
        f"{attached} of {users} users attached": attached < users,
        f"{seconds:.1f} s until all were attached, bound {bound:.1f} s": seconds > bound,
        f"{dead} dead letters": dead > 0,
    }
    figures = {"users": users, "signInsPerSecond": users / (signed_in - started), "seconds": seconds, "bound": bound}
    return figures, [text for text, is_true in problems.items() if is_true]


def _sweep(directory: Path, identities: int, delay: float) -> tuple[dict[str, float], list[str]]:
    """Sweep seeded identities; return the figures and the problems."""
    # The sweep's checks may also use the worker's rate.
    with _deployed(directory, {"attachPerSecond": {"signIn": 1, "retry": 1, "sweep": _SWEEP_RATE}}) as stack:
        stack.run_sweep()  # starts the function
        empty_seconds = stack.run_sweep()
        seeded = stack.cloud.seed_identities(stack.outputs[Output.IDENTITY_POOL_ID], identities)
        with stack.cloud.fault(ATTACH, Delay(delay)):
            seconds = stack.run_sweep()
        attached = len(stack.attached().intersection(seeded))
    latencies = Latencies(_LIST_SECONDS, _ATTACH_SECONDS + delay, page=_PAGE_SECONDS, between_steps=_STEP_SECONDS)
    estimate = sweep(identities, _SWEEP_RATE, _SWEEP_RATE + 1, latencies=latencies).seconds + empty_seconds
    problems = {
        f"{attached} of {identities} identities attached": attached < identities,
        f"{seconds:.1f} s, estimated {estimate:.1f} s": abs(estimate - seconds) > _SWEEP_TOLERANCE * seconds,
    }
    figures = {"identities": identities, "delay": delay, "seconds": seconds, "estimate": estimate}
    return figures, [text for text, is_true in problems.items() if is_true]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    users: Annotated[int, typer.Option(min=1, help="Users of the storm.")] = 400,
    identities: Annotated[int, typer.Option(min=1, help="Identities of each sweep.")] = 1_000,
) -> None:
    """Deploy, measure, and print and save the figures; exit code 1 if a bound is exceeded."""
    directory = empty_directory("attachment")
    steps = Steps()
    storm, problems = steps.run(f"storm: {users} users sign in", partial(_storm, directory, users))
    print(
        f"{storm['signInsPerSecond']:.1f} sign-ins a second at {_STORM_RATE} attachments a second; all attached after "
        f"{storm['seconds']:.1f} s, bound {storm['bound']:.1f} s"
    )
    sweeps = []
    for delay in _SWEEP_DELAYS:
        title = f"sweep: {identities} identities, AttachPolicy {delay:g} s late"
        swept, found = steps.run(title, partial(_sweep, directory, identities, delay))
        print(f"{swept['seconds']:.1f} s, estimated {swept['estimate']:.1f} s")
        sweeps.append(swept)
        problems += [f"{title}: {each}" for each in found]
    save("attachment", {"storm": storm, "sweeps": sweeps, "problems": problems})
    if problems:
        print(f"attachment: {len(problems)} bounds exceeded: {'; '.join(problems)}")
        raise typer.Exit(1)
    print("attachment: all bounds kept")


if __name__ == "__main__":
    app()
