from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lambdas.conftest import Load
from tests.unit.lambdas.fake_aws import AwsError, FakeIdentityPool

_POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
_PROVIDER = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
_WEB = {"ProviderName": _PROVIDER, "ClientId": "web", "ServerSideTokenCheck": False}
_OURS = {"ProviderName": _PROVIDER, "ClientId": "internal", "ServerSideTokenCheck": True}
_KEPT: dict[str, Any] = {
    "IdentityPoolId": _POOL,
    "IdentityPoolName": "shop",
    "AllowUnauthenticatedIdentities": True,
    "AllowClassicFlow": False,
    "SupportedLoginProviders": {"graph.facebook.com": "123"},
    "IdentityPoolTags": {"team": "shop"},
}


class Provider:
    """The custom resource and its identity pool; checks that an update keeps the rest of the pool."""

    def __init__(self, module: Any) -> None:
        self.module = module
        tags = {"IdentityPoolTags": {"team": "shop", "aws:cloudformation:stack-name": "amplify-shop-dev-103245"}}
        self.pool = FakeIdentityPool(module._identity_pools, _KEPT | tags)

    def run(self, request_type: str) -> None:
        properties = {"IdentityPoolId": _POOL, "ProviderName": _PROVIDER, "ClientId": "internal"}
        event = {"RequestType": request_type, "PhysicalResourceId": f"{_POOL}/internal"}
        try:
            self.module.on_event(event | {"ResourceProperties": properties}, None)
        finally:
            for update in self.pool.requests("update_identity_pool"):
                assert {name: each for name, each in update.items() if name != "CognitoIdentityProviders"} == _KEPT


@pytest.fixture
def provider(load: Load) -> Provider:
    return Provider(load("identity_pool_provider"))


@pytest.mark.parametrize(
    ("request_type", "there", "afterwards"),
    [
        ("Create", [_WEB], [_WEB, _OURS]),
        ("Update", [_OURS, _WEB], [_OURS, _WEB]),
        ("Delete", [_OURS, _WEB], [_WEB]),
        ("Delete", [_WEB], [_WEB]),
    ],
)
def test_only_the_client_of_the_stack_is_added_and_removed(
    provider: Provider, request_type: str, there: list[dict[str, Any]], afterwards: list[dict[str, Any]]
) -> None:
    provider.pool.providers = there
    provider.run(request_type)
    assert provider.pool.providers == afterwards
    assert len(provider.pool.changes) == (there != afterwards)


def test_failed_creation_removes_the_client(provider: Provider) -> None:
    """CloudFormation sends no Delete request after a failed Create."""
    provider.pool.providers = [_WEB]
    provider.pool.failures["update_identity_pool"] = [AwsError("InternalErrorException", is_late=True)]
    with pytest.raises(provider.module._identity_pools.exceptions.InternalErrorException):
        provider.run("Create")
    assert provider.pool.providers == [_WEB]


def test_deletion_succeeds_if_the_pool_was_deleted_manually(provider: Provider) -> None:
    provider.pool.failures["describe_identity_pool"] = [AwsError("ResourceNotFoundException")]
    provider.run("Delete")


@pytest.mark.parametrize(
    ("request_type", "providers", "instead"),
    [
        ("Create", [_WEB], "Use attachment self-attach"),
        ("Delete", [_WEB, _OURS], "Remove the app client internal from its providers in the Cognito console"),
    ],
)
def test_pool_with_a_setting_unknown_to_the_sdk_is_not_updated(
    provider: Provider, request_type: str, providers: list[dict[str, Any]], instead: str
) -> None:
    provider.pool.providers = providers
    provider.pool.described["Holidays"] = ["2026-12-24"]
    with pytest.raises(Exception, match="UpdateIdentityPool would reset Holidays of the pool") as refused:
        provider.run(request_type)
    assert instead in str(refused.value)
    assert type(refused.value).__name__ == "SettingsWouldBeLostError"
    assert provider.pool.changes == []
