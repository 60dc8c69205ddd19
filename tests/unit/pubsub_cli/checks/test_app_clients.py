from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.checks.app_clients import AppClientSignsIn, IdentityPoolAcceptsTokens, flows
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.configuration import TokenIsValid
from pubsub_cli.checks.options import IdToken, UserSelector
from pubsub_cli.finding import AwsCommand, Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import (
    CLIENT,
    OUTPUTS,
    POOL,
    REGION,
    USER_POOL,
    StubbedAws,
    error,
    run_check,
    token,
)

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef

OLD_NAMES = ["ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"]
LOGIN = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"
OF_NO_CLIENT = {name: value for name, value in OUTPUTS.items() if name != Output.USER_POOL_CLIENT_ID}


def token_of(client: str) -> IdToken:
    return IdToken.parse(token(aud=client, exp=time.time() + 3600))


def app_client(name: str = CLIENT, *allowed: str, **more: Any) -> dict[str, Any]:
    return {"UserPoolId": USER_POOL, "ClientId": name, "ExplicitAuthFlows": [*allowed], **more}


async def check_client(
    check: type[Check], *clients: dict[str, Any], listed: list[str] | None = None, **run: Any
) -> Finding:
    by_id = {each["ClientId"]: each for each in clients}
    names = list(by_id) if listed is None else listed
    providers = [{"ClientId": each, "ProviderName": LOGIN} for each in names]

    def describe(asked: dict[str, Any]) -> dict[str, Any]:
        client = by_id.get(asked["ClientId"])
        return {"UserPoolClient": client} if client else error("ResourceNotFoundException")

    pool = {**POOL, "CognitoIdentityProviders": providers}
    return await run_check(check, StubbedAws(DescribeUserPoolClient=describe, DescribeIdentityPool=pool), **run)


@pytest.mark.parametrize(
    "allowed",
    [
        ("ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        ("ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        ("USER_PASSWORD_AUTH",),
        (),
    ],
)
async def test_app_client_that_allows_srp_passes(allowed: tuple[str, ...]) -> None:
    assert (await check_client(AppClientSignsIn, app_client(CLIENT, *allowed))).status is Status.PASSED


@pytest.mark.parametrize("flow", ["ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH"])
async def test_app_client_that_cannot_renew_sessions_is_a_warning(flow: str) -> None:
    finding = await check_client(AppClientSignsIn, app_client(CLIENT, flow))
    assert finding.status is Status.WARNING
    assert "sessions end with the first tokens" in str(finding.cause)
    rotating = app_client(CLIENT, flow, RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 10})
    assert (await check_client(AppClientSignsIn, rotating)).status is Status.PASSED


@pytest.mark.parametrize(
    "client",
    [
        app_client(CLIENT, "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        app_client(CLIENT, "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", ClientSecret="hidden"),
    ],
)
async def test_secret_or_missing_srp_fails_unless_users_sign_in_otherwise(client: dict[str, Any]) -> None:
    assert (await check_client(AppClientSignsIn, client)).status is Status.FAILED
    with_token = await check_client(AppClientSignsIn, client, selector=UserSelector(id_token=token_of(CLIENT)))
    assert with_token.status is Status.WARNING
    pages = {**client, "AllowedOAuthFlowsUserPoolClient": True, "AllowedOAuthFlows": ["code"]}
    assert (await check_client(AppClientSignsIn, pages)).status is Status.WARNING
    machines = {**pages, "AllowedOAuthFlows": ["client_credentials"]}
    assert (await check_client(AppClientSignsIn, machines)).status is Status.FAILED


async def test_fix_uses_the_new_names_of_old_flows() -> None:
    finding = await check_client(AppClientSignsIn, app_client(CLIENT, "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"))
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert command.parameters["ExplicitAuthFlows"] == [
        "ALLOW_CUSTOM_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_USER_SRP_AUTH",
    ]


@given(st.sets(st.sampled_from(OLD_NAMES)))
def test_flows_have_only_new_names(named: set[str]) -> None:
    client: UserPoolClientTypeTypeDef = {"ExplicitAuthFlows": [*named]}  # type: ignore[list-item]
    assert all(each.startswith("ALLOW_") for each in flows(client))


async def test_app_client_of_the_front_end_is_found_among_others() -> None:
    native = app_client("native", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", ClientSecret="hidden")
    internal = app_client("internal", "ALLOW_CUSTOM_AUTH")
    web = app_client("web", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
    finding = await check_client(IdentityPoolAcceptsTokens, native, internal, web, outputs=OF_NO_CLIENT)
    assert finding.status is Status.PASSED
    assert "web" in str(finding.detail)


async def test_token_of_any_listed_app_client_is_accepted() -> None:
    selector = UserSelector(id_token=token_of("other"))
    for check in (TokenIsValid, IdentityPoolAcceptsTokens):
        assert (
            await check_client(check, app_client("other"), listed=[CLIENT, "other"], selector=selector)
        ).status is Status.PASSED


async def test_token_of_an_unlisted_app_client_fails_without_a_safe_fix() -> None:
    finding = await check_client(
        IdentityPoolAcceptsTokens,
        app_client("other"),
        listed=[CLIENT],
        selector=UserSelector(id_token=token_of("other")),
    )
    assert finding.status is Status.FAILED
    assert "does not list app client other" in str(finding.cause)
    assert not finding.safe_commands
    assert CLIENT in str(finding.fix)


@pytest.mark.parametrize("outputs", [OUTPUTS, OF_NO_CLIENT])
@pytest.mark.parametrize("pool_exists", [True, False])
async def test_fix_adds_no_user_pool_or_app_client_that_does_not_exist(
    outputs: dict[str, str], pool_exists: bool
) -> None:
    not_found = error("ResourceNotFoundException")
    aws = StubbedAws(
        DescribeUserPoolClient=not_found,
        DescribeUserPool={"UserPool": {}} if pool_exists else not_found,
        DescribeIdentityPool={**POOL, "CognitoIdentityProviders": [{"ClientId": "a", "ProviderName": "other/pool"}]},
    )
    finding = await run_check(IdentityPoolAcceptsTokens, aws, outputs=outputs)
    assert finding.status is Status.FAILED
    assert "update-identity-pool" not in str(finding.fix)
    if not pool_exists:
        assert f"This account has no user pool {USER_POOL} in {REGION}" in str(finding.cause)
    elif outputs is OUTPUTS:
        assert f"User pool {USER_POOL} has no app client {CLIENT}" in str(finding.cause)


async def test_app_client_that_cannot_be_read_is_added() -> None:
    aws = StubbedAws(DescribeUserPoolClient=error("AccessDeniedException"), DescribeIdentityPool=POOL)
    finding = await run_check(IdentityPoolAcceptsTokens, aws, outputs=OUTPUTS)
    assert "update-identity-pool" in str(finding.fix)


async def test_unreadable_app_clients_are_used_in_their_order() -> None:
    pool = {"CognitoIdentityProviders": [{"ClientId": each, "ProviderName": LOGIN} for each in ("first", "second")]}
    aws = StubbedAws(DescribeIdentityPool=pool, DescribeUserPoolClient=error("AccessDeniedException"))
    finding = await run_check(IdentityPoolAcceptsTokens, aws, outputs=OF_NO_CLIENT)
    assert "first" in str(finding.detail)


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("us-gov-east-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"), ("eusc-de-east-1", "amazonaws.eu")],
)
async def test_provider_name_has_the_suffix_of_the_partition(region: str, suffix: str) -> None:
    outputs = {**OUTPUTS, Output.REGION: region}
    finding = await check_client(IdentityPoolAcceptsTokens, app_client(), listed=[], outputs=outputs)
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    (provider,) = command.parameters["CognitoIdentityProviders"]
    assert provider["ProviderName"] == f"cognito-idp.{region}.{suffix}/{USER_POOL}"
