from __future__ import annotations

import base64
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import App, DeploymentIds, IdToken, Requirement, Whom
from pubsub_cli.errors import PreconditionError

CLAIMS = {
    "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC",
    "aud": "client",
    "exp": 1,
    "token_use": "id",
    "cognito:username": "ada",
}


def token(**changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return f"head.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


def test_a_token_tells_pool_client_and_user() -> None:
    read = IdToken.parse(token())
    assert (read.user_pool_id, read.client_id, read.user_name) == ("eu-west-1_AbC", "client", "ada")
    assert read.login == "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC"
    assert token() not in repr(read)


@pytest.mark.parametrize("text", ["", "no", "a.b.c", token(iss=None), token(exp=None), token(aud=None)])
def test_what_is_no_id_token_is_refused(text: str) -> None:
    with pytest.raises(PreconditionError, match="no ID token"):
        IdToken.parse(text)


def test_an_access_token_is_told_from_an_id_token() -> None:
    with pytest.raises(PreconditionError, match="an access token: give the ID token"):
        IdToken.parse(token(token_use="access"))


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Whom("ada", "secret"))


async def _has(**given: Any) -> frozenset[Requirement]:
    async with AsyncExitStack() as cleanup:
        return Context(aws=Aws(region="eu-west-1"), stack="s", patience=0, cleanup=cleanup, **given).has


async def test_a_run_that_names_nobody_makes_a_user_where_it_may() -> None:
    assert {Requirement.PROBE, Requirement.TOKEN, Requirement.PASSWORD, Requirement.IDENTITY} < await _has()
    assert not {Requirement.PROBE, Requirement.TOKEN, Requirement.IDENTITY} & await _has(may_try=False)


async def test_what_is_known_of_somebody_depends_on_how_they_are_named() -> None:
    doctor = {"may_try": False}
    asked = {Requirement.IDENTITY, Requirement.USER, Requirement.TOKEN, Requirement.PASSWORD, Requirement.GIVEN_TOKEN}
    assert asked & await _has(whom=Whom(identity_id="i"), **doctor) == {Requirement.IDENTITY}
    assert asked & await _has(whom=Whom("ada"), **doctor) == {Requirement.IDENTITY, Requirement.USER}
    assert asked & await _has(whom=Whom("ada", "p"), **doctor) == asked - {Requirement.GIVEN_TOKEN}
    by_token = Whom(id_token=IdToken.parse(token()))
    assert asked & await _has(whom=by_token, **doctor) == asked - {Requirement.PASSWORD}


async def test_a_deployment_given_by_ids_is_no_stack_and_has_what_is_known() -> None:
    given = DeploymentIds("eu-west-1", "pool", "eu-west-1:i", "e-ats.iot.eu-west-1.amazonaws.com")
    assert Requirement.STACK not in await _has(given=given)
    assert given.outputs() == {
        "Region": "eu-west-1",
        "UserPoolId": "pool",
        "IdentityPoolId": "eu-west-1:i",
        "PubSubEndpoint": "e-ats.iot.eu-west-1.amazonaws.com",
    }


async def test_the_runs_own_topic_is_within_what_the_policy_opens() -> None:
    async with AsyncExitStack() as cleanup:
        context = Context(aws=Aws(region="eu-west-1"), stack="s", patience=0, cleanup=cleanup)
        context.begin({"Topics": "exact,room/*/x*"})
        assert context.topic.startswith("room/x/xpubsub-check-")
        assert context.asked_topics == (context.topic,)
        asked = Context(aws=context.aws, stack="s", patience=0, cleanup=cleanup, app=App(("a/b", "c/#")))
        asked.begin({})
        assert (asked.topic, asked.asked_topics) == ("a/b", ("a/b", "c/#"))


@pytest.mark.parametrize("topics", [("$aws/things/t/shadow/delete",), ("room/#",), ("room/+/x", "$aws/rules/r")])
async def test_no_message_goes_where_it_would_do_something_or_cannot_go(topics: tuple[str, ...]) -> None:
    async with AsyncExitStack() as cleanup:
        context = Context(aws=Aws(region="eu-west-1"), stack="s", patience=0, cleanup=cleanup, app=App(topics))
        context.begin({"Topics": "room/*"})
        assert context.topic.startswith("room/pubsub-check-")
        assert context.may_send


async def test_where_no_topic_is_known_no_message_is_sent() -> None:
    given = DeploymentIds("eu-west-1", "pool", "eu-west-1:i", "e")
    for topics, may_send in (((), False), (("room/#",), False), (("room/#", "room/1"), True)):
        async with AsyncExitStack() as cleanup:
            context = Context(
                aws=Aws(region="eu-west-1"), stack="s", patience=0, cleanup=cleanup, app=App(topics), given=given
            )
            context.begin(given.outputs())
            assert context.may_send is may_send
            assert context.topic_known is bool(topics)


def test_the_options_of_a_deployment_given_by_ids_name_it_again() -> None:
    given = DeploymentIds("eu-west-1", "pool", "eu-west-1:i", "e-ats.iot.eu-west-1.amazonaws.com")
    assert given.options() == (
        "--user-pool-id", "pool", "--identity-pool-id", "eu-west-1:i",
        "--endpoint", "e-ats.iot.eu-west-1.amazonaws.com", "--policy-name", "NAME",
    )  # fmt: skip
