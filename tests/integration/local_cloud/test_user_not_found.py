from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.local_cloud.account import unique
from tests.integration.local_cloud.user_pool import CHALLENGES, Pool, events, recording, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud.process import LocalCloud

FLOW = ["DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse", "DefineAuthChallenge"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the challenge triggers write their events down."""
    return tmp_path / "events"


@pytest.fixture
def pool(cloud: LocalCloud, file: Path) -> Pool:
    return Pool(cloud, challenges=recording(CHALLENGES, file), AliasAttributes=["email"])


def test_a_client_that_hides_who_exists_challenges_anybody(pool: Pool) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    asked = pool.start_challenge("nobody", client_id)
    assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"
    assert pool.answer(asked, "nobody", client_id, ANSWER="no")["ChallengeName"] == "CUSTOM_CHALLENGE"


def test_the_triggers_are_told_and_their_tokens_are_not_given(pool: Pool, file: Path) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    asked = pool.start_challenge("nobody", client_id)
    refused = refusal(lambda: pool.answer(asked, "nobody", client_id, ANSWER="yes"))
    assert refused[0] == "NotAuthorizedException"
    told = [(each["triggerSource"].split("_")[0], each["request"]["userNotFound"]) for each in events(file)]
    assert told == [(trigger, True) for trigger in FLOW]


def test_a_client_that_does_not_hide_it_says_so_and_asks_no_trigger(pool: Pool, file: Path) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="LEGACY")
    refused = refusal(lambda: pool.start_challenge("nobody", client_id))
    assert refused == ("UserNotFoundException", "User does not exist.")
    assert events(file) == []


@pytest.mark.parametrize("setting", ["ENABLED", "LEGACY"])
def test_a_user_who_is_there_gets_tokens_and_the_triggers_are_told_the_users_own_name(
    pool: Pool, file: Path, setting: str
) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors=setting)
    email = f"{unique('ada')}@example.com"
    name = pool.user(email=email, email_verified="true")
    answered = pool.answer(pool.start_challenge(email, client_id), email, client_id, ANSWER="yes")
    assert "AuthenticationResult" in answered
    told = [(each["triggerSource"].split("_")[0], each["userName"]) for each in events(file)]
    assert told == [(trigger, name) for trigger in FLOW]
    assert not any(each["request"]["userNotFound"] for each in events(file))
    statuses = {each["request"]["userAttributes"]["cognito:user_status"] for each in events(file)}
    assert statuses == {"CONFIRMED"}


def test_a_password_of_nobody_is_refused_as_ever(pool: Pool) -> None:
    assert refusal(lambda: pool.give_password("nobody"))[0] == "UserNotFoundException"
