"""Each public method checks its caller: event loop, process, closed client, and changed user."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pubsub_client import AwsIot, CognitoSession, ConnectionState, PubSub, _guards, _pubsub, configure, get
from pubsub_client.exceptions import (
    ClientClosed,
    ConfigurationError,
    ConnectionLost,
    ProcessForked,
    UserChanged,
    WrongEventLoop,
)
from tests.unit.pubsub_client.fake_broker import FakeBroker, client

SECONDS = 5.0


@dataclass
class Connected:
    """A connected client with a subscription; ``leave`` ends the subscription."""

    pubsub: PubSub
    messages: Any
    leave: Callable[[], Awaitable[object]]

    @classmethod
    async def create(cls, pubsub: PubSub) -> Connected:
        await pubsub.connect()
        subscription = pubsub.subscribe("t")
        messages = await subscription.__aenter__()
        return cls(pubsub, messages, lambda: subscription.__aexit__(None, None, None))

    async def call(self, method: str) -> None:
        match method:
            case "publish":
                await self.pubsub.publish("t", 1)
            case "publish to several topics":
                await self.pubsub.publish(["t", "u"], 1)
            case "subscribe":
                async with self.pubsub.subscribe("u"):
                    pass
            case "read":
                await anext(self.messages)
            case "leave":
                await self.leave()
            case "states":
                await anext(self.pubsub.states())
            case "start":
                self.pubsub.start()
            case "connect":
                await self.pubsub.connect()
            case "get":
                get()
            case "configure":
                configure(self.pubsub)
            case "close":
                await self.pubsub.close()


SENDING = ["publish", "publish to several topics", "subscribe"]
CONNECTING = ["start", "connect", "get"]
METHODS = [*SENDING, *CONNECTING, "read", "leave", "states", "close"]


@pytest.fixture(autouse=True)
def shared() -> Iterator[None]:
    """Forget the shared client before and after the test."""
    _pubsub._shared.clear()
    yield
    _pubsub._shared.clear()


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the process look like a child process from now on; the integration test really forks."""
    return lambda: monkeypatch.setattr(_guards._Process, "forks", _guards._Process.forks + 1)


def sent(broker: FakeBroker) -> tuple[int, int]:
    return len(broker.up.published), len(broker.up.subscribed) + len(broker.up.unsubscribed)


async def in_another_loop(call: Callable[[], Awaitable[object]]) -> None:
    """Await a call in the event loop of another thread, while this event loop runs."""

    async def awaited() -> None:
        async with asyncio.timeout(SECONDS):
            await call()

    await asyncio.to_thread(lambda: asyncio.run(awaited()))


@pytest.mark.parametrize("method", METHODS)
async def test_call_from_another_event_loop_raises_before_anything_is_sent(broker: FakeBroker, method: str) -> None:
    async with client() as pubsub:
        configure_shared(pubsub)
        connected = await Connected.create(pubsub)
        before = sent(broker)
        with pytest.raises(WrongEventLoop, match="connected in another event loop; make the call there"):
            await in_another_loop(lambda: connected.call(method))
        assert sent(broker) == before
        assert pubsub.state is ConnectionState.CONNECTED


@pytest.mark.parametrize("method", [*METHODS, "configure"])
async def test_call_in_a_forked_process_raises_before_anything_is_sent(
    broker: FakeBroker, forked: Callable[[], None], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with client() as pubsub:
        configure_shared(pubsub)
        connected = await Connected.create(pubsub)
        before = sent(broker)
        forked()
        with pytest.raises(ProcessForked, match="before this process was forked; connect only after the fork"):
            await connected.call(method)
        assert sent(broker) == before
        monkeypatch.undo()


async def test_new_client_in_a_forked_process_cannot_connect(broker: FakeBroker, forked: Callable[[], None]) -> None:
    async with client():
        pass
    forked()
    with pytest.raises(ProcessForked, match="a client was connected before this process was forked"):
        await client().connect()
    assert len(broker.transports) == 1


async def test_client_created_before_a_fork_has_another_random_id_after_it(forked: Callable[[], None]) -> None:
    pubsub, fixed = client(), client(client_id="tablet")
    before = pubsub.client_id
    assert pubsub.client_id == before
    forked()
    assert pubsub.client_id != before
    assert pubsub.client_id == pubsub.client_id
    assert fixed.client_id == "tablet"


async def test_client_and_session_cannot_be_pickled_for_another_process(session: CognitoSession) -> None:
    for each in (client(), session):
        with pytest.raises(ConfigurationError, match="cannot be passed to another process; create one in each"):
            pickle.dumps(each)


@pytest.mark.parametrize("method", SENDING)
async def test_call_of_a_closed_client_raises(broker: FakeBroker, method: str) -> None:
    connected = await Connected.create(client())
    await connected.pubsub.close()
    before = sent(broker)
    with pytest.raises(ClientClosed, match="there is no connection; use the client inside `async with"):
        await connected.call(method)
    assert sent(broker) == before


async def test_client_of_a_closed_event_loop_can_be_replaced(broker: FakeBroker) -> None:
    pubsub = client()

    def connect_without_close() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(pubsub.connect())
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.close()

    configure(pubsub)
    await asyncio.to_thread(connect_without_close)
    with pytest.raises(WrongEventLoop, match=r"closed now; create a new PubSub.* the same loop_scope"):
        await pubsub.publish("t", 1)
    configure(client())
    assert broker.up.published == []


# Sessions and their users.


class Cognito:
    """A fake of both Cognito services, whose calls wait for ``released``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.called = threading.Event()
        self.released = threading.Event()
        self.released.set()

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**_: object) -> dict[str, Any]:
            self.calls.append(operation)
            self.called.set()
            assert self.released.wait(SECONDS)
            keys = {"AccessKeyId": "AKID", "SecretKey": "secret", "SessionToken": "token"}
            return {"IdentityId": "eu-west-1:identity", "Credentials": keys}

        return call


@pytest.fixture
def cognito(monkeypatch: pytest.MonkeyPatch) -> Cognito:
    fake = Cognito()
    monkeypatch.setattr("pubsub_client._cognito.boto3.client", lambda *_, **__: fake)
    return fake


@pytest.fixture
def session(cognito: Cognito) -> CognitoSession:
    assert not cognito.calls
    return CognitoSession(
        region="eu-west-1",
        user_pool_id="eu-west-1_Pool",
        user_pool_client_id="client",
        identity_pool_id="eu-west-1:pool",
        self_attach_url="https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach",
    )


def id_token(user: str) -> str:
    exp = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    claims = {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool", "exp": exp, "sub": user}
    return f"header.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


async def client_of(session: CognitoSession) -> Connected:
    await session.use_id_token(id_token("ada"))
    provider = AwsIot(endpoint="abc-ats.iot.eu-west-1.amazonaws.com", credentials=session)
    return await Connected.create(PubSub(provider, connect_timeout=2.0))


@pytest.mark.parametrize("method", [*SENDING, *CONNECTING, "read"])
async def test_connection_ends_when_another_user_signs_in(
    broker: FakeBroker, session: CognitoSession, method: str
) -> None:
    connected = await client_of(session)
    configure_shared(connected.pubsub)
    before = sent(broker)
    await session.use_id_token(id_token("bob"))
    with pytest.raises(UserChanged, match=r"another user signed in to the session; call close\(\)"):
        await connected.call(method)
    assert sent(broker) == before
    assert [state async for state in connected.pubsub.states()] == [
        (ConnectionState.CLOSED, "another user signed in to the session")
    ]
    await connected.call("leave")
    await connected.pubsub.close()
    await connected.pubsub.connect()
    await connected.pubsub.publish("t", "as bob")
    assert len(broker.transports) == 2
    await connected.pubsub.close()


@pytest.mark.usefixtures("broker")
async def test_connection_ends_when_the_user_signs_out(session: CognitoSession) -> None:
    connected = await client_of(session)
    await session.sign_out()
    with pytest.raises(UserChanged, match="the session's user signed out"):
        await connected.call("publish")
    await connected.pubsub.close()


async def test_unacknowledged_message_fails_when_another_user_signs_in(
    broker: FakeBroker, session: CognitoSession
) -> None:
    connected = await client_of(session)
    broker.acknowledges = False
    publishing = asyncio.create_task(connected.pubsub.publish("t", 1))
    await asyncio.sleep(0)
    await session.use_id_token(id_token("bob"))
    with pytest.raises(ConnectionLost, match=r"another user signed in .*the broker may have received the message"):
        await publishing
    await connected.pubsub.close()


async def test_client_that_waits_for_its_connection_ends_with_the_user(
    broker: FakeBroker, session: CognitoSession
) -> None:
    broker.opens = lambda _: OSError("unreachable")
    await session.use_id_token(id_token("ada"))
    pubsub = PubSub(AwsIot(endpoint="abc-ats.iot.eu-west-1.amazonaws.com", credentials=session))
    pubsub.start()
    subscribing = asyncio.create_task(pubsub.subscribe("t").__aenter__())
    await asyncio.sleep(0)
    await session.use_id_token(id_token("bob"))
    with pytest.raises(UserChanged):
        await subscribing
    await pubsub.close()


async def test_connection_continues_when_the_same_user_signs_in_again(
    broker: FakeBroker, session: CognitoSession
) -> None:
    connected = await client_of(session)
    await session.use_id_token(id_token("ada"))
    await connected.pubsub.publish("t", 1)
    assert len(broker.transports) == 1
    await connected.pubsub.close()


@pytest.mark.usefixtures("broker")
async def test_connection_ends_when_the_user_changes_in_another_event_loop(session: CognitoSession) -> None:
    connected = await client_of(session)
    await in_another_loop(lambda: session.use_id_token(id_token("bob")))
    async with asyncio.timeout(SECONDS):
        with pytest.raises(UserChanged):
            await anext(connected.messages)
    await connected.pubsub.close()


CALLS: dict[str, Callable[[CognitoSession], Awaitable[object]]] = {
    "sign_in": lambda session: session.sign_in("ada", "password"),
    "sign_in_with_code": lambda session: session.sign_in_with_code("ada", read_code),
    "use_id_token": lambda session: session.use_id_token(id_token("ada")),
    "identity_id": lambda session: session.identity_id(),
    "credentials": lambda session: session.credentials(),
    "self_attach": lambda session: session.self_attach(),
    "sign_out": lambda session: session.sign_out(),
}


async def read_code(_destination: str) -> str:
    return "123456"


@pytest.mark.parametrize("method", CALLS)
async def test_session_of_another_process_raises_before_anything_is_sent(
    session: CognitoSession, cognito: Cognito, forked: Callable[[], None], method: str
) -> None:
    await session.use_id_token(id_token("ada"))
    forked()
    with pytest.raises(ProcessForked, match="create another one in each process"):
        await CALLS[method](session)
    assert not cognito.calls


@pytest.mark.parametrize("method", CALLS)
async def test_session_with_a_call_in_another_event_loop_raises_before_anything_is_sent(
    session: CognitoSession, cognito: Cognito, method: str
) -> None:
    await session.use_id_token(id_token("ada"))
    cognito.released.clear()
    waiting = asyncio.create_task(session.identity_id())
    assert await asyncio.to_thread(cognito.called.wait, SECONDS)
    with pytest.raises(WrongEventLoop, match="a call in progress in another event loop"):
        await in_another_loop(lambda: CALLS[method](session))
    assert cognito.calls == ["get_id"]
    cognito.released.set()
    await waiting


async def test_event_loops_can_use_a_session_one_after_another(session: CognitoSession) -> None:
    async def call_twice() -> None:
        await asyncio.gather(session.identity_id(), session.credentials())

    await session.use_id_token(id_token("ada"))
    await call_twice()
    await in_another_loop(call_twice)
    await call_twice()


def configure_shared(pubsub: PubSub) -> None:
    """Make ``get()`` return a client that is connected already."""
    _pubsub._shared[:] = [pubsub]


async def test_configure_does_not_replace_a_client_that_can_be_closed(broker: FakeBroker) -> None:
    async with client() as pubsub:
        configure_shared(pubsub)
        with pytest.raises(ConfigurationError, match="close it first"):
            configure(client())
    assert len(broker.transports) == 1
