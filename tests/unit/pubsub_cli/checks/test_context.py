"""The options and the context of a run of checks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks.context import Context, finish_before_cancel
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, IdToken, Requirement, UserSelector
from pubsub_cli.errors import PreconditionError
from pubsub_cli.pool_users import User
from tests.unit.pubsub_cli.checks.stubbed_aws import token

_IDS = DeploymentIds("eu-west-1", "pool", "eu-west-1:i", "e-ats.iot.eu-west-1.amazonaws.com")


def test_id_token_names_pool_client_and_user() -> None:
    read = IdToken.parse(token())
    assert (read.user_pool_id, read.client_id, read.user_name) == ("eu-west-1_AbC", "client", "ada")
    assert read.login == "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC"


@pytest.mark.parametrize("text", ["", "no", "a.b.c", token(iss=None), token(exp=None), token(aud=None)])
def test_text_that_is_not_an_id_token_is_rejected(text: str) -> None:
    with pytest.raises(PreconditionError, match="not an ID token"):
        IdToken.parse(text)


def test_access_token_is_rejected_as_such() -> None:
    with pytest.raises(PreconditionError, match="an access token; give the ID token"):
        IdToken.parse(token(token_use="access"))


def test_password_and_token_are_not_in_the_representation() -> None:
    assert "secret" not in repr(UserSelector("ada", "secret"))
    assert token() not in repr(IdToken.parse(token()))


def test_deployment_ids_name_the_deployment_as_outputs_and_options() -> None:
    assert _IDS.outputs() == {
        "Region": "eu-west-1",
        "UserPoolId": "pool",
        "IdentityPoolId": "eu-west-1:i",
        "PubSubEndpoint": "e-ats.iot.eu-west-1.amazonaws.com",
    }
    assert _IDS.options() == (
        "--user-pool-id", "pool", "--identity-pool-id", "eu-west-1:i",
        "--endpoint", "e-ats.iot.eu-west-1.amazonaws.com", "--policy-name", "NAME",
    )  # fmt: skip


def _context(*topics: str, outputs: dict[str, str] | None = None, **options: Any) -> Context:
    front_end = FrontEndConfig(topics)
    aws, cleanup = Aws(region="eu-west-1"), AsyncExitStack()
    context = Context(aws=aws, stack="s", timeout=0, cleanup=cleanup, front_end=front_end, **options)
    context.set_outputs(outputs or {})
    return context


def test_run_without_selector_creates_a_user_if_probes_are_allowed() -> None:
    required = {Requirement.TEST_USERS, Requirement.TOKEN, Requirement.PASSWORD, Requirement.IDENTITY}
    assert required < _context().available
    assert not required & _context(allow_probes=False).available


_OF_USER = {
    Requirement.IDENTITY, Requirement.USER, Requirement.TOKEN, Requirement.PASSWORD, Requirement.GIVEN_TOKEN
}  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "available"),
    [
        (UserSelector(identity_id="i"), {Requirement.IDENTITY}),
        (UserSelector("ada"), {Requirement.IDENTITY, Requirement.USER}),
        (UserSelector("ada", "p"), _OF_USER - {Requirement.GIVEN_TOKEN}),
        (UserSelector(id_token=IdToken.parse(token())), _OF_USER - {Requirement.PASSWORD}),
    ],
)
def test_selector_decides_what_is_available(selector: UserSelector, available: set[Requirement]) -> None:
    assert _context(allow_probes=False, selector=selector).available & _OF_USER == available


def test_deployment_given_by_ids_is_not_a_stack() -> None:
    assert Requirement.STACK in _context().available
    assert Requirement.STACK not in _context(deployment_ids=_IDS).available


def test_unique_topic_matches_a_pattern_of_the_policy() -> None:
    context = _context(outputs={"Topics": "exact,room/*/x*"})
    assert context.topic.startswith("room/x/xpubsub-check-")
    assert context.requested_topics == (context.topic,)


def test_first_topic_of_the_front_end_is_used_for_messages() -> None:
    context = _context("a/b", "c/#")
    assert (context.topic, context.requested_topics) == ("a/b", ("a/b", "c/#"))


@pytest.mark.parametrize("topics", [("$aws/things/t/shadow/delete",), ("room/#",), ("room/+/x", "$aws/rules/r")])
def test_reserved_topics_and_topic_filters_get_no_message(topics: tuple[str, ...]) -> None:
    context = _context(*topics, outputs={"Topics": "room/*"})
    assert context.topic.startswith("room/pubsub-check-")
    assert context.can_publish


@pytest.mark.parametrize(("topics", "can_publish"), [((), False), (("room/#",), False), (("room/#", "room/1"), True)])
def test_without_a_known_topic_no_message_is_sent(topics: tuple[str, ...], can_publish: bool) -> None:
    context = _context(*topics, outputs=_IDS.outputs(), deployment_ids=_IDS)
    assert context.can_publish is can_publish
    assert context.topics_known is bool(topics)


async def test_cancelled_caller_waits_until_the_work_has_ended() -> None:
    created: list[str] = []
    working = asyncio.Event()

    async def work() -> None:
        working.set()
        await asyncio.sleep(0)
        created.append("user")

    caller = asyncio.create_task(finish_before_cancel(work()))
    await working.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert created == ["user"]


async def test_cancelled_sign_in_of_a_test_user_tracks_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        async def sign_in(self, *_: str) -> None:
            signing_in.set()
            await asyncio.sleep(0)

        async def identity_id(self) -> str:
            return "eu-west-1:i"

    async def create_user(**_: object) -> User:
        return User("ada", "secret")

    context, signing_in = _context(), asyncio.Event()
    tracked: list[str] = []
    monkeypatch.setattr(context, "create_user", create_user)
    monkeypatch.setattr(context, "new_session", Session)
    monkeypatch.setattr(context.users, "track_identity", tracked.append)
    caller = asyncio.create_task(context.sign_in_test_user())
    await signing_in.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert tracked == ["eu-west-1:i"]
