"""App clients of every kind that Cognito has: which one is the front end's, and can anybody sign in with it?"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.checks.app_clients import AppClientSignsIn
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.configuration import TokenIsGood
from pubsub_cli.checks.options import IdToken, UserSelector
from pubsub_cli.checks.provisioning import IdentityPoolAcceptsTokens
from pubsub_cli.checks.sign_in_flows import flows
from pubsub_cli.finding import AwsCommand, Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.answers import (
    CLIENT,
    IDENTITY_POOL,
    OUTPUTS,
    REGION,
    USER_POOL,
    Answers,
    error,
    find,
)

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef

OLD_NAMES = ["ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"]
LOGIN = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"
OF_NO_CLIENT = {name: value for name, value in OUTPUTS.items() if name != Output.USER_POOL_CLIENT_ID}


def token_of(client: str) -> IdToken:
    claims = {
        "iss": f"https://{LOGIN}",
        "aud": client,
        "exp": time.time() + 3600,
        "token_use": "id",
        "cognito:username": "ada",
    }
    return IdToken.parse(f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s")


def app_client(name: str = CLIENT, *allowed: str, **more: Any) -> dict[str, Any]:
    return {"UserPoolId": USER_POOL, "ClientId": name, "ExplicitAuthFlows": [*allowed], **more}


async def look(check: type[Check], *clients: dict[str, Any], listed: list[str] | None = None, **run: Any) -> Finding:
    by_id = {each["ClientId"]: each for each in clients}
    names = list(by_id) if listed is None else listed
    providers = [{"ClientId": each, "ProviderName": LOGIN} for each in names]

    def describe(asked: dict[str, Any]) -> dict[str, Any]:
        client = by_id.get(asked["ClientId"])
        return {"UserPoolClient": client} if client else error("ResourceNotFoundException")

    pool = {"IdentityPoolId": IDENTITY_POOL, "CognitoIdentityProviders": providers}
    return await find(check, Answers(DescribeUserPoolClient=describe, DescribeIdentityPool=pool), **run)


@pytest.mark.parametrize(
    "allowed",
    [
        ("ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        ("ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        ("USER_PASSWORD_AUTH",),
        (),
    ],
)
async def test_an_app_client_that_can_do_srp_passes(allowed: tuple[str, ...]) -> None:
    assert (await look(AppClientSignsIn, app_client(CLIENT, *allowed))).status is Status.PASSED


@pytest.mark.parametrize("flow", ["ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH"])
async def test_an_app_client_that_cannot_renew_a_session_is_a_warning_unless_it_rotates_refresh_tokens(
    flow: str,
) -> None:
    finding = await look(AppClientSignsIn, app_client(CLIENT, flow))
    assert finding.status is Status.WARNING
    assert "sessions end with the first tokens" in str(finding.cause)
    rotating = app_client(CLIENT, flow, RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 10})
    assert (await look(AppClientSignsIn, rotating)).status is Status.PASSED


@pytest.mark.parametrize(
    "client",
    [
        app_client(CLIENT, "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        app_client(CLIENT, "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", ClientSecret="hidden"),
    ],
)
async def test_no_srp_or_a_secret_fails_unless_users_sign_in_by_another_way(client: dict[str, Any]) -> None:
    assert (await look(AppClientSignsIn, client)).status is Status.FAILED
    with_token = await look(AppClientSignsIn, client, selector=UserSelector(id_token=token_of(CLIENT)))
    assert with_token.status is Status.WARNING
    pages = {**client, "AllowedOAuthFlowsUserPoolClient": True, "AllowedOAuthFlows": ["code"]}
    assert (await look(AppClientSignsIn, pages)).status is Status.WARNING
    machines = {**pages, "AllowedOAuthFlows": ["client_credentials"]}
    assert (await look(AppClientSignsIn, machines)).status is Status.FAILED


async def test_the_fix_gives_flows_of_the_old_form_their_new_names() -> None:
    finding = await look(AppClientSignsIn, app_client(CLIENT, "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"))
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert command.parameters["ExplicitAuthFlows"] == [
        "ALLOW_CUSTOM_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_USER_SRP_AUTH",
    ]


@given(st.sets(st.sampled_from(OLD_NAMES)))
def test_no_flow_is_told_by_its_old_name(named: set[str]) -> None:
    client: UserPoolClientTypeTypeDef = {"ExplicitAuthFlows": [*named]}  # type: ignore[list-item]
    assert all(each.startswith("ALLOW_") for each in flows(client))


async def test_the_app_client_of_a_front_end_is_told_from_those_beside_it() -> None:
    native = app_client("native", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", ClientSecret="hidden")
    nested = app_client("nested", "ALLOW_CUSTOM_AUTH")
    web = app_client("web", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
    finding = await look(IdentityPoolAcceptsTokens, native, nested, web, outputs=OF_NO_CLIENT)
    assert finding.status is Status.PASSED
    assert "web" in str(finding.detail)


async def test_the_token_of_any_listed_app_client_is_taken() -> None:
    whom = UserSelector(id_token=token_of("other"))
    for check in (TokenIsGood, IdentityPoolAcceptsTokens):
        assert (await look(check, app_client("other"), listed=[CLIENT, "other"], selector=whom)).status is Status.PASSED


async def test_the_token_of_an_app_client_that_is_not_listed_is_refused_and_nothing_is_let_in_unasked() -> None:
    finding = await look(IdentityPoolAcceptsTokens, listed=[CLIENT], selector=UserSelector(id_token=token_of("other")))
    assert finding.status is Status.FAILED
    assert "does not list app client other" in str(finding.cause)
    assert not finding.safe_commands
    assert CLIENT in str(finding.fix)


async def test_app_clients_that_may_not_be_read_are_taken_in_their_order() -> None:
    pool = {"CognitoIdentityProviders": [{"ClientId": each, "ProviderName": LOGIN} for each in ("first", "second")]}
    aws = Answers(DescribeIdentityPool=pool, DescribeUserPoolClient=error("AccessDeniedException"))
    finding = await find(IdentityPoolAcceptsTokens, aws, outputs=OF_NO_CLIENT)
    assert "first" in str(finding.detail)


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("us-gov-east-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"), ("eusc-de-east-1", "amazonaws.eu")],
)
async def test_the_user_pool_is_named_as_its_partition_names_it(region: str, suffix: str) -> None:
    outputs = {**OUTPUTS, Output.REGION: region}
    (command,) = (await look(IdentityPoolAcceptsTokens, listed=[], outputs=outputs)).safe_commands
    assert isinstance(command, AwsCommand)
    (provider,) = command.parameters["CognitoIdentityProviders"]
    assert provider["ProviderName"] == f"cognito-idp.{region}.{suffix}/{USER_POOL}"
