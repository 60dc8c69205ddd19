from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pubsub_cli.checks.options import DeploymentIds, IdToken, UserSelector
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
    ids = DeploymentIds("eu-west-1", "pool", "eu-west-1:i", "e-ats.iot.eu-west-1.amazonaws.com")
    assert ids.outputs() == {
        "Region": "eu-west-1",
        "UserPoolId": "pool",
        "IdentityPoolId": "eu-west-1:i",
        "PubSubEndpoint": "e-ats.iot.eu-west-1.amazonaws.com",
    }
    assert ids.options() == (
        "--user-pool-id", "pool", "--identity-pool-id", "eu-west-1:i",
        "--endpoint", "e-ats.iot.eu-west-1.amazonaws.com", "--policy-name", "NAME",
    )  # fmt: skip
