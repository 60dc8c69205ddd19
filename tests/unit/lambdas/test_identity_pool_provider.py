from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lambdas.cognito_answers import RawStubber
from tests.unit.lambdas.conftest import Load

_POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
_PROVIDER = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
_WEB = {"ProviderName": _PROVIDER, "ClientId": "web", "ServerSideTokenCheck": False}
_OURS = {"ProviderName": _PROVIDER, "ClientId": "internal", "ServerSideTokenCheck": True}
_POOL_AS_IT_IS: dict[str, Any] = {
    "IdentityPoolId": _POOL,
    "IdentityPoolName": "shop",
    "AllowUnauthenticatedIdentities": True,
    "AllowClassicFlow": False,
    "SupportedLoginProviders": {"graph.facebook.com": "123"},
    "IdentityPoolTags": {"team": "shop"},
}


class Provider:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.cognito = RawStubber(module._identity_pools)
        self.cognito.activate()

    def has(self, *providers: dict[str, Any], unknown: dict[str, Any] | None = None) -> None:
        tags = _POOL_AS_IT_IS["IdentityPoolTags"] | {"aws:cloudformation:stack-name": "amplify-shop-dev-103245"}
        described = _POOL_AS_IT_IS | {"IdentityPoolTags": tags, "CognitoIdentityProviders": [*providers]}
        self.cognito.add_response("describe_identity_pool", described, {"IdentityPoolId": _POOL}, unknown)

    def gets(self, *providers: dict[str, Any]) -> None:
        """Expect an update that keeps the rest of the pool."""
        wanted = _POOL_AS_IT_IS | {"CognitoIdentityProviders": [*providers]}
        self.cognito.add_response("update_identity_pool", wanted, wanted)

    def run(self, request_type: str) -> None:
        self.module.on_event(
            {
                "RequestType": request_type,
                "PhysicalResourceId": f"{_POOL}/internal",
                "ResourceProperties": {"IdentityPoolId": _POOL, "ProviderName": _PROVIDER, "ClientId": "internal"},
            },
            None,
        )
        self.cognito.assert_no_pending_responses()


@pytest.fixture
def provider(load: Load) -> Provider:
    return Provider(load("identity_pool_provider"))


def test_the_client_is_added_and_everything_else_of_the_pool_stays(provider: Provider) -> None:
    provider.has(_WEB)
    provider.gets(_WEB, _OURS)
    provider.run("Create")


def test_a_client_that_is_there_already_is_not_added_again(provider: Provider) -> None:
    provider.has(_OURS, _WEB)
    provider.run("Update")


def test_the_client_is_taken_away_and_no_other(provider: Provider) -> None:
    provider.has(_OURS, _WEB)
    provider.gets(_WEB)
    provider.run("Delete")


def test_failed_creation_removes_the_client(provider: Provider) -> None:
    """CloudFormation deletes nothing that it failed to create."""
    provider.has(_WEB)
    provider.cognito.add_client_error("update_identity_pool", "InternalErrorException", http_status_code=500)
    provider.has(_WEB, _OURS)
    provider.gets(_WEB)
    with pytest.raises(provider.module._identity_pools.exceptions.InternalErrorException):
        provider.run("Create")
    provider.cognito.assert_no_pending_responses()


def test_what_somebody_has_taken_away_already_is_not_missed(provider: Provider) -> None:
    provider.has(_WEB)
    provider.run("Delete")


def test_a_pool_that_has_gone_needs_nothing(provider: Provider) -> None:
    provider.cognito.add_client_error("describe_identity_pool", "ResourceNotFoundException")
    provider.run("Delete")


@pytest.mark.parametrize(
    ("request_type", "providers", "instead"),
    [
        ("Create", [_WEB], "Use attachment self-attach"),
        ("Delete", [_WEB, _OURS], "Remove the app client internal from its providers in the Cognito console"),
    ],
)
def test_a_pool_with_a_setting_that_the_sdk_does_not_know_is_not_updated(
    provider: Provider, request_type: str, providers: list[dict[str, Any]], instead: str
) -> None:
    """UpdateIdentityPool would reset it."""
    provider.has(*providers, unknown={"Holidays": ["2026-12-24"]})
    with pytest.raises(Exception, match="UpdateIdentityPool would reset Holidays of the pool") as refused:
        provider.run(request_type)
    assert instead in str(refused.value)
    assert type(refused.value).__name__ == "SettingsWouldBeLostError"
    provider.cognito.assert_no_pending_responses()
