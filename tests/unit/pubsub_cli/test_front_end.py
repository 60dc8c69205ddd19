"""The formats of a front end's configuration."""

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
    Output.SELF_ATTACH_URL: "https://api.example/self-attach",
    Output.ACCESS_MODE: "guarded",
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
    document: dict[str, Any] = json.loads(FrontEnd(OUTPUTS, **details).amplify_outputs())
    return document


def test_amplify_outputs_has_every_section() -> None:
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
            "pubsub": {
                "aws_region": "eu-west-1",
                "endpoint": "wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt",
                "self_attach_url": "https://api.example/self-attach",
                "access_mode": "guarded",
            }
        },
    }


def test_amplify_outputs_without_the_user_pool_have_what_a_sign_in_needs() -> None:
    auth = _amplify_outputs()["auth"]
    assert {"aws_region", "user_pool_id", "user_pool_client_id", "identity_pool_id"} < auth.keys()
    assert "password_policy" not in auth


@pytest.mark.parametrize(("cognito", "amplify"), [("OFF", "NONE"), ("OPTIONAL", "OPTIONAL"), ("ON", "REQUIRED")])
def test_amplify_outputs_has_amplifys_name_of_mfa(cognito: str, amplify: str) -> None:
    user_pool = USER_POOL | {"MfaConfiguration": cognito}
    assert _amplify_outputs(user_pool=user_pool)["auth"]["mfa_configuration"] == amplify


def test_amplify_outputs_has_the_enabled_mfa_methods() -> None:
    by_app = USER_POOL | {"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": True}}
    both = by_app | {"SmsMfaConfiguration": {"SmsConfiguration": {}}}
    off = both | {"MfaConfiguration": "OFF"}
    methods = [_amplify_outputs(user_pool=each)["auth"]["mfa_methods"] for each in (by_app, both, off)]
    assert methods == [["TOTP"], ["SMS", "TOTP"], []]


def test_amplify_outputs_has_custom_endpoints_of_cognito() -> None:
    assert "cognito" not in _amplify_outputs()["custom"]
    assert _amplify_outputs(endpoints=ENDPOINTS)["custom"]["cognito"] == {
        "user_pool_endpoint": "http://127.0.0.1:4566/",
        "identity_pool_endpoint": "http://127.0.0.1:4566/",
    }


def test_websocket_url_is_without_tls_only_on_loopback() -> None:
    outputs = OUTPUTS | {Output.PUBSUB_ENDPOINT: "abc-ats.iot.us-east-1.localhost:4566"}
    assert "PUBSUB_ENDPOINT=ws://abc-ats.iot.us-east-1.localhost:4566/mqtt" in FrontEnd(outputs).dotenv().splitlines()


def test_aws_exports_is_a_module_with_the_configuration() -> None:
    text = FrontEnd(OUTPUTS, USER_POOL).aws_exports()
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
    assert exports["aws_pubsub_self_attach_url"] == "https://api.example/self-attach"
    assert exports["aws_pubsub_access_mode"] == "guarded"
    assert exports["aws_pubsub_endpoint"] == "wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt"


def test_dotenv_has_a_line_a_value_with_the_prefix() -> None:
    assert FrontEnd(OUTPUTS).dotenv("VITE_").splitlines() == [
        "VITE_PUBSUB_REGION=eu-west-1",
        "VITE_PUBSUB_ENDPOINT=wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt",
        "VITE_PUBSUB_SELF_ATTACH_URL=https://api.example/self-attach",
        "VITE_PUBSUB_ACCESS_MODE=guarded",
        "VITE_USER_POOL_ID=eu-west-1_abc",
        "VITE_USER_POOL_CLIENT_ID=3n4b5c",
        "VITE_IDENTITY_POOL_ID=eu-west-1:11111111-2222-3333-4444-555555555555",
    ]
    assert "VITE_USER_POOL_ENDPOINT=http://127.0.0.1:4566/\n" in FrontEnd(OUTPUTS, None, ENDPOINTS).dotenv("VITE_")
