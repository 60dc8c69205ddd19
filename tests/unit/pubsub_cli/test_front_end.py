"""The forms that front ends read, from outputs and a user pool as AWS describes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.front_end import CognitoEndpoints, FrontEnd
from pubsub_client.outputs import Output

OUTPUTS: dict[str, str] = {
    Output.REGION: "eu-west-1",
    Output.USER_POOL_ID: "eu-west-1_abc",
    Output.USER_POOL_CLIENT_ID: "3n4b5c",
    Output.IDENTITY_POOL_ID: "eu-west-1:11111111-2222-3333-4444-555555555555",
    Output.PUBSUB_ENDPOINT: "abc123-ats.iot.eu-west-1.amazonaws.com",
}
USER_POOL = {
    "MfaConfiguration": "OFF",
    "AutoVerifiedAttributes": ["email"],
    "SchemaAttributes": [
        {"Name": "sub", "Required": True},
        {"Name": "email", "Required": True},
        {"Name": "given_name", "Required": False},
    ],
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 12,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": False,
            "RequireUppercase": True,
        }
    },
}
ENDPOINTS = CognitoEndpoints("http://127.0.0.1:4566/", "http://127.0.0.1:4566/")


def _amplify_outputs(**details: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FrontEnd.of(OUTPUTS, **details).amplify_outputs())
    return document


def test_amplify_outputs() -> None:
    assert _amplify_outputs(user_pool=USER_POOL) == {
        "version": "1.4",
        "auth": {
            "aws_region": "eu-west-1",
            "user_pool_id": "eu-west-1_abc",
            "user_pool_client_id": "3n4b5c",
            "identity_pool_id": "eu-west-1:11111111-2222-3333-4444-555555555555",
            "unauthenticated_identities_enabled": False,
            "username_attributes": [],
            "standard_required_attributes": ["email"],
            "user_verification_types": ["email"],
            "mfa_configuration": "NONE",
            "mfa_methods": [],
            "password_policy": {
                "min_length": 12,
                "require_lowercase": True,
                "require_numbers": True,
                "require_symbols": False,
                "require_uppercase": True,
            },
        },
        "custom": {
            "pubsub": {"aws_region": "eu-west-1", "endpoint": "wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt"}
        },
    }


def test_amplify_outputs_without_the_user_pool_have_what_a_sign_in_needs() -> None:
    auth = _amplify_outputs()["auth"]
    assert {"aws_region", "user_pool_id", "user_pool_client_id", "identity_pool_id"} < auth.keys()
    assert "password_policy" not in auth


@pytest.mark.parametrize(("cognito", "amplify"), [("OFF", "NONE"), ("OPTIONAL", "OPTIONAL"), ("ON", "REQUIRED")])
def test_mfa_is_named_as_amplify_names_it(cognito: str, amplify: str) -> None:
    user_pool = USER_POOL | {"MfaConfiguration": cognito}
    assert _amplify_outputs(user_pool=user_pool)["auth"]["mfa_configuration"] == amplify


def test_the_second_factors_are_those_that_users_may_set_up() -> None:
    by_app = USER_POOL | {"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": True}}
    both = by_app | {"SmsMfaConfiguration": {"SmsConfiguration": {}}}
    off = both | {"MfaConfiguration": "OFF"}
    methods = [_amplify_outputs(user_pool=each)["auth"]["mfa_methods"] for each in (by_app, both, off)]
    assert methods == [["TOTP"], ["SMS", "TOTP"], []]


def test_where_cognito_answers_is_told_only_if_it_is_elsewhere() -> None:
    assert "cognito" not in _amplify_outputs()["custom"]
    assert _amplify_outputs(endpoints=ENDPOINTS)["custom"]["cognito"] == {
        "user_pool_endpoint": "http://127.0.0.1:4566/",
        "identity_pool_endpoint": "http://127.0.0.1:4566/",
    }


def test_where_to_self_attach_is_told_in_every_form_if_the_stack_has_it() -> None:
    url = "https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach"
    front_end = FrontEnd.of(OUTPUTS | {Output.SELF_ATTACH_URL: url})
    assert json.loads(front_end.amplify_outputs())["custom"]["pubsub"]["self_attach_url"] == url
    assert f'"aws_pubsub_self_attach_url": "{url}"' in front_end.aws_exports()
    assert f"VITE_PUBSUB_SELF_ATTACH_URL={url}" in front_end.dotenv("VITE_").splitlines()
    older = FrontEnd.of(OUTPUTS)
    for form in (older.amplify_outputs(), older.aws_exports(), older.dotenv()):
        assert "self_attach" not in form.lower()


def test_the_access_mode_is_told_in_every_form_if_the_stack_has_it() -> None:
    front_end = FrontEnd.of(OUTPUTS | {Output.ACCESS_MODE: "least-privilege"})
    assert json.loads(front_end.amplify_outputs())["custom"]["pubsub"]["access_mode"] == "least-privilege"
    assert '"aws_pubsub_access_mode": "least-privilege"' in front_end.aws_exports()
    assert "VITE_PUBSUB_ACCESS_MODE=least-privilege" in front_end.dotenv("VITE_").splitlines()
    older = FrontEnd.of(OUTPUTS)
    for form in (older.amplify_outputs(), older.aws_exports(), older.dotenv()):
        assert "access_mode" not in form.lower()


def test_only_loopback_is_reached_without_tls() -> None:
    outputs = OUTPUTS | {Output.PUBSUB_ENDPOINT: "abc-ats.iot.us-east-1.localhost:4566"}
    assert FrontEnd.of(outputs).pubsub_endpoint == "ws://abc-ats.iot.us-east-1.localhost:4566/mqtt"


def test_aws_exports_is_a_module_that_exports_the_document() -> None:
    text = FrontEnd.of(OUTPUTS, USER_POOL).aws_exports()
    head, tail = "const awsmobile = ", ";\n\nexport default awsmobile;\n"
    assert text.startswith(head)
    assert text.endswith(tail)
    exports = json.loads(text.removeprefix(head).removesuffix(tail))
    assert exports["aws_user_pools_web_client_id"] == "3n4b5c"
    assert exports["aws_cognito_signup_attributes"] == ["EMAIL"]
    assert exports["aws_cognito_password_protection_settings"] == {
        "passwordPolicyMinLength": 12,
        "passwordPolicyCharacters": ["REQUIRES_LOWERCASE", "REQUIRES_NUMBERS", "REQUIRES_UPPERCASE"],
    }
    assert exports["aws_pubsub_endpoint"] == "wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt"


def test_dotenv_has_a_line_a_value_under_the_bundlers_prefix() -> None:
    assert FrontEnd.of(OUTPUTS).dotenv("VITE_").splitlines() == [
        "VITE_PUBSUB_REGION=eu-west-1",
        "VITE_PUBSUB_ENDPOINT=wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt",
        "VITE_USER_POOL_ID=eu-west-1_abc",
        "VITE_USER_POOL_CLIENT_ID=3n4b5c",
        "VITE_IDENTITY_POOL_ID=eu-west-1:11111111-2222-3333-4444-555555555555",
    ]
    assert "VITE_USER_POOL_ENDPOINT=http://127.0.0.1:4566/\n" in FrontEnd.of(OUTPUTS, None, ENDPOINTS).dotenv("VITE_")
