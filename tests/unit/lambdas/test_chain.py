"""To whom the chain attaches: the user of the event or message, and no later user of the same name."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
from botocore.stub import Stubber

from attachment.errors import CannotSignInError
from attachment.owed import Owed
from attachment.sdk_session import guarded_session
from tests.unit.lambdas.conftest import ENVIRONMENT, Load

_USER = {"UserPoolId": "pool", "Username": "ada"}


@pytest.fixture
def chain(load: Load) -> Any:
    return load("attachment.attach").Chain(guarded_session(threading.Event()))


def _token(sub: str) -> str:
    """Return an ID token as Cognito makes it, without padding."""
    parts = (json.dumps(each).encode() for each in ({"alg": "RS256"}, {"sub": sub}))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "signature"])


def _signs_in(chain: Any, sub: str) -> Stubber:
    """Let the internal sign-in of ada give a token of this user; return the stub of GetId."""
    values = {"userPoolProvider": "provider", "internalClientId": "internal-client", "identityPoolId": "eu-west-1:pool"}
    names = [ENVIRONMENT["CONFIGURATION_PARAMETER"], ENVIRONMENT["PAUSE_PARAMETER"]]
    parameters = [{"Name": name, "Value": json.dumps(values)} for name in names]
    answers: list[tuple[Any, str, dict[str, Any]]] = [
        (chain._ssm, "get_parameters", {"Parameters": parameters}),
        (chain._cognito, "describe_user_pool_client", {"UserPoolClient": {"ClientSecret": "s" * 24}}),
        (
            chain._cognito,
            "admin_initiate_auth",
            {"ChallengeName": "CUSTOM_CHALLENGE", "ChallengeParameters": {"nonce": "n"}, "Session": "s" * 20},
        ),
        (chain._kms, "generate_mac", {"Mac": bytes(32)}),
        (chain._answering, "admin_respond_to_auth_challenge", {"AuthenticationResult": {"IdToken": _token(sub)}}),
    ]
    stubs = {each: Stubber(each) for each, _, _ in answers}
    for client, operation, answer in answers:
        stubs[client].add_response(operation, answer)
    for stub in stubs.values():
        stub.activate()
    identities = Stubber(chain._identities)
    identities.add_response("get_id", {"IdentityId": "eu-west-1:identity"})
    identities.activate()
    return identities


def test_the_identity_of_the_user_who_signs_in_is_found(chain: Any) -> None:
    get_id = _signs_in(chain, "first-sub")
    owed = Owed("pool", "ada", "first-sub")
    chain.find_identity(owed)
    assert owed.identity_id == "eu-west-1:identity"
    get_id.assert_no_pending_responses()


def test_no_identity_is_found_for_a_later_user_of_the_same_name(chain: Any) -> None:
    get_id = _signs_in(chain, "second-sub")
    owed = Owed("pool", "ada", "first-sub")
    with pytest.raises(CannotSignInError):
        chain.find_identity(owed)
    assert owed.identity_id is None
    with pytest.raises(AssertionError):
        get_id.assert_no_pending_responses()


def test_whose_sub_was_not_known_is_bound_to_the_one_that_signed_in(chain: Any) -> None:
    _signs_in(chain, "first-sub")
    owed = Owed("pool", "ada")
    chain.find_identity(owed)
    assert owed.sub == "first-sub"


@pytest.mark.parametrize(
    ("sub", "enabled", "status", "can"),
    [
        ("first-sub", True, "CONFIRMED", True),
        ("second-sub", True, "CONFIRMED", False),
        ("first-sub", False, "CONFIRMED", False),
        ("first-sub", True, "RESET_REQUIRED", False),
    ],
    ids=["as it was", "another user of the name", "disabled", "must reset the password"],
)
def test_who_can_sign_in_is_the_same_user(chain: Any, sub: str, enabled: bool, status: str, can: bool) -> None:
    with Stubber(chain._cognito) as stub:
        answer = {
            "Username": "ada",
            "UserAttributes": [{"Name": "sub", "Value": sub}],
            "Enabled": enabled,
            "UserStatus": status,
        }
        stub.add_response("admin_get_user", answer, _USER)
        assert chain.can_sign_in(Owed("pool", "ada", "first-sub")) is can
