"""Users at work while something changes: they sign in and stay connected, and somebody looks at their policies."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from pubsub_client import AwsIot, CognitoSession, ConnectionState, PubSub
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment

_CLIENTS = 2
_ALL_CONNECTED_SECONDS = 30
_PAUSE_SECONDS = 0.5  # leaves the processor to what is tested


class Traffic:
    """Users of a deployment: some are connected and publish, old and new ones sign in, all the time."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._old_users = [deployment.make_user() for _ in range(_CLIENTS)]
        self.identity_ids: list[str] = []
        """Of everybody who was seen attached once."""
        self.signed_in = 0
        self.published = 0
        self.looks = 0
        self.wrong: list[str] = []
        """What must never be seen."""

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Let it flow in this block; it has begun when the block does."""
        over = threading.Event()
        connected = threading.Semaphore(0)
        works: list[Callable[[], None]] = [
            lambda: self._sign_in(over),
            lambda: self._look(over),
            lambda: asyncio.run(self._stay_connected(over, connected)),
        ]
        threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for user in self._old_users:
            self._sign_in_once(user)
        time.sleep(self._deployment.cloud.policy_propagation_seconds)
        for thread in threads:
            thread.start()
        try:
            for _ in range(_CLIENTS):
                assert connected.acquire(timeout=_ALL_CONNECTED_SECONDS), self.wrong
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.wrong.append(repr(error))

    def _sign_in(self, over: threading.Event) -> None:
        """Sign in an old user and a new one, in turn."""
        turn = 0
        while not over.is_set():
            self._sign_in_once(self._old_users[turn % _CLIENTS])
            self._sign_in_once(self._deployment.make_user())
            turn += 1
            over.wait(_PAUSE_SECONDS)

    def _sign_in_once(self, user: str) -> None:
        try:
            tokens = self._deployment.sign_in(user)
        except ClientError as error:
            # ministack breaks an invocation off when its function is updated; AWS Lambda lets it come to its end.
            if "Worker process died" not in str(error):
                raise
            return
        identity_id = self._deployment.identity_id(tokens)
        self.signed_in += 1
        # The worker makes attachments that a sign-in could not make at once.
        self._deployment.wait_until_attached(identity_id)
        if identity_id not in self.identity_ids:
            self.identity_ids.append(identity_id)

    def _look(self, over: threading.Event) -> None:
        while not over.is_set():
            for identity_id in tuple(self.identity_ids):
                self.looks += 1
                if not self._deployment.attached_policies(identity_id):
                    self.wrong.append(f"no policy is attached to {identity_id}")
                over.wait(_PAUSE_SECONDS / 20)

    async def _stay_connected(self, over: threading.Event, connected: threading.Semaphore) -> None:
        async with asyncio.TaskGroup() as clients:
            for user in self._old_users:
                clients.create_task(self._chat(user, over, connected))

    async def _chat(self, user: str, over: threading.Event, connected: threading.Semaphore) -> None:
        outputs = self._deployment.outputs
        session = CognitoSession(
            region=outputs[Output.REGION],
            user_pool_id=outputs[Output.USER_POOL_ID],
            user_pool_client_id=outputs[Output.USER_POOL_CLIENT_ID],
            identity_pool_id=outputs[Output.IDENTITY_POOL_ID],
            endpoint_url=self._deployment.cloud.endpoint_url,
        )
        await session.sign_in(user, PASSWORD)
        endpoint = outputs[Output.PUBSUB_ENDPOINT]
        provider = AwsIot(endpoint=endpoint, region=self._deployment.cloud.region, credentials=session)
        topic = f"chat/{user}"
        async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
            connected.release()
            while not over.is_set():
                sent = time.monotonic()
                await pubsub.publish(topic, sent)
                async with asyncio.timeout(10):
                    assert (await anext(messages)).payload == sent
                self.published += 1
                # Dropped, a client connects again by itself, and what it publishes meanwhile waits.
                if pubsub.state is not ConnectionState.CONNECTED:
                    self.wrong.append(f"{user} is {pubsub.state}")
                # And as AWS IoT decides it anew, for a connection of the same user's.
                async with PubSub(provider):
                    await asyncio.sleep(_PAUSE_SECONDS)
