from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import unique
from tests.integration.local_cloud.user_pool import CHALLENGES, Pool, events, recording, refusal

Told = Callable[[], list[dict[str, Any]]]

FLOW = ["DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse", "DefineAuthChallenge"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the challenge triggers write their events down."""
    return tmp_path_factory.mktemp("triggers") / "events"


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud, file: Path) -> Pool:
    return Pool(cloud, challenges=recording(CHALLENGES, file), AliasAttributes=["email"])


@pytest.fixture
def told(file: Path) -> Told:
    """What the triggers have been told in this test."""
    before = len(events(file))
    return lambda: events(file)[before:]


def triggers(told: Told) -> list[str]:
    return [each["triggerSource"].split("_")[0] for each in told()]


def test_nobody_gets_no_tokens_for_the_right_answer_and_the_triggers_know(pool: Pool, told: Told) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    asked = pool.start_challenge("nobody", client_id)
    assert pool.answer(asked, "nobody", client_id, ANSWER="no")["ChallengeName"] == "CUSTOM_CHALLENGE"
    asked = pool.start_challenge("nobody", client_id)
    refused = refusal(lambda: pool.answer(asked, "nobody", client_id, ANSWER="yes"))
    assert refused[0] == "NotAuthorizedException"
    assert triggers(told)[-len(FLOW) :] == FLOW
    assert all(each["request"]["userNotFound"] for each in told())


def test_client_that_does_not_hide_who_exists_says_so_and_asks_no_trigger(pool: Pool, told: Told) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="LEGACY")
    refused = refusal(lambda: pool.start_challenge("nobody", client_id))
    assert refused == ("UserNotFoundException", "User does not exist.")
    assert told() == []


@pytest.mark.parametrize("setting", ["ENABLED", "LEGACY"])
def test_user_signs_in_by_alias_and_the_triggers_receive_the_user_name(pool: Pool, told: Told, setting: str) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors=setting)
    email = f"{unique('ada')}@example.com"
    name = pool.user(email=email, email_verified="true")
    answered = pool.answer(pool.start_challenge(email, client_id), email, client_id, ANSWER="yes")
    assert "AuthenticationResult" in answered
    assert triggers(told) == FLOW
    assert {each["userName"] for each in told()} == {name}
    assert not any(each["request"]["userNotFound"] for each in told())
    statuses = {each["request"]["userAttributes"]["cognito:user_status"] for each in told()}
    assert statuses == {"CONFIRMED"}
