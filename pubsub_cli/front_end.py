"""What a front end must be told of a deployment, in the forms that front ends read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pubsub_client._endpoint import Endpoint
from pubsub_client.outputs import Output

_AMPLIFY_OUTPUTS_VERSION = "1.4"
# What Cognito calls the three, and what Amplify does.
_AMPLIFY_MFA = {"OFF": "NONE", "OPTIONAL": "OPTIONAL", "ON": "REQUIRED"}
_PASSWORD_CHARACTERS = {
    "lowercase": "RequireLowercase",
    "numbers": "RequireNumbers",
    "symbols": "RequireSymbols",
    "uppercase": "RequireUppercase",
}


@dataclass(frozen=True)
class CognitoEndpoints:
    """Where the pools answer, if that is not AWS's own address."""

    user_pool: str
    identity_pool: str


@dataclass(frozen=True)
class FrontEnd:
    """What a front end must be told.

    Args:
        region: the region of both pools and of the endpoint.
        user_pool_id: the user pool.
        user_pool_client_id: the app client for people.
        identity_pool_id: the identity pool.
        pubsub_endpoint: the address of the WebSocket.
        self_attach_url: where a user has the IoT policy attached; None for a stack of an older version.
        access_mode: as the settings name it; in ``least-privilege`` client ids and topics begin with the identity id.
            None for a stack of an older version.
        user_pool: what DescribeUserPool and GetUserPoolMfaConfig tell; None if they may not be asked. Amplify's forms
            for sign-up need it.
        endpoints: where the pools answer; None is AWS's own address.
    """

    region: str
    user_pool_id: str
    user_pool_client_id: str
    identity_pool_id: str
    pubsub_endpoint: str
    self_attach_url: str | None = None
    access_mode: str | None = None
    user_pool: Mapping[str, Any] | None = None
    endpoints: CognitoEndpoints | None = None

    @classmethod
    def of(
        cls,
        outputs: Mapping[str, str],
        user_pool: Mapping[str, Any] | None = None,
        endpoints: CognitoEndpoints | None = None,
    ) -> Self:
        """Take it from the stack's outputs."""
        return cls(
            region=outputs[Output.REGION],
            user_pool_id=outputs[Output.USER_POOL_ID],
            user_pool_client_id=outputs[Output.USER_POOL_CLIENT_ID],
            identity_pool_id=outputs[Output.IDENTITY_POOL_ID],
            pubsub_endpoint=_websocket_url(outputs[Output.PUBSUB_ENDPOINT]),
            self_attach_url=outputs.get(Output.SELF_ATTACH_URL),
            access_mode=outputs.get(Output.ACCESS_MODE),
            user_pool=user_pool,
            endpoints=endpoints,
        )

    def amplify_outputs(self) -> str:
        """Return ``amplify_outputs.json`` of Amplify Gen 2, which has no place of its own for PubSub.

        https://docs.amplify.aws/react/reference/amplify_outputs/
        """
        auth: dict[str, Any] = {
            "aws_region": self.region,
            "user_pool_id": self.user_pool_id,
            "user_pool_client_id": self.user_pool_client_id,
            "identity_pool_id": self.identity_pool_id,
            "unauthenticated_identities_enabled": False,
        }
        if self.user_pool is not None:
            policy = _password_policy(self.user_pool)
            auth |= {
                "username_attributes": list(self.user_pool.get("UsernameAttributes", ())),
                "standard_required_attributes": _required_attributes(self.user_pool),
                "user_verification_types": list(self.user_pool.get("AutoVerifiedAttributes", ())),
                "mfa_configuration": _AMPLIFY_MFA[_mfa(self.user_pool)],
                "mfa_methods": _mfa_methods(self.user_pool),
                "password_policy": {"min_length": policy["MinimumLength"]}
                | {f"require_{name}": policy[key] for name, key in _PASSWORD_CHARACTERS.items()},
            }
        custom: dict[str, Any] = {"pubsub": {"aws_region": self.region, "endpoint": self.pubsub_endpoint}}
        if self.self_attach_url:
            custom["pubsub"]["self_attach_url"] = self.self_attach_url
        if self.access_mode:
            custom["pubsub"]["access_mode"] = self.access_mode
        if self.endpoints:
            custom["cognito"] = {
                "user_pool_endpoint": self.endpoints.user_pool,
                "identity_pool_endpoint": self.endpoints.identity_pool,
            }
        return _json({"version": _AMPLIFY_OUTPUTS_VERSION, "auth": auth, "custom": custom})

    def aws_exports(self) -> str:
        """Return ``aws-exports.js`` of Amplify Gen 1; it has no place for the pools' own addresses.

        https://docs.amplify.aws/gen1/react/build-a-backend/more-features/pubsub/set-up-pubsub/
        """
        exports: dict[str, Any] = {
            "aws_project_region": self.region,
            "aws_cognito_region": self.region,
            "aws_cognito_identity_pool_id": self.identity_pool_id,
            "aws_user_pools_id": self.user_pool_id,
            "aws_user_pools_web_client_id": self.user_pool_client_id,
            "aws_mandatory_sign_in": "enable",  # without it Amplify takes it that guests are let in
            "oauth": {},
        }
        if self.user_pool is not None:
            policy = _password_policy(self.user_pool)
            exports |= {
                "aws_cognito_username_attributes": _capitals(self.user_pool.get("UsernameAttributes", ())),
                "aws_cognito_social_providers": [],
                "aws_cognito_signup_attributes": _capitals(_required_attributes(self.user_pool)),
                "aws_cognito_mfa_configuration": _mfa(self.user_pool),
                "aws_cognito_mfa_types": _mfa_methods(self.user_pool),
                "aws_cognito_password_protection_settings": {
                    "passwordPolicyMinLength": policy["MinimumLength"],
                    "passwordPolicyCharacters": [
                        f"REQUIRES_{name.upper()}" for name, key in _PASSWORD_CHARACTERS.items() if policy[key]
                    ],
                },
                "aws_cognito_verification_mechanisms": _capitals(self.user_pool.get("AutoVerifiedAttributes", ())),
            }
        exports |= {"aws_pubsub_region": self.region, "aws_pubsub_endpoint": self.pubsub_endpoint}
        if self.self_attach_url:
            exports["aws_pubsub_self_attach_url"] = self.self_attach_url
        if self.access_mode:
            exports["aws_pubsub_access_mode"] = self.access_mode
        return f"const awsmobile = {_json(exports).rstrip()};\n\nexport default awsmobile;\n"

    def dotenv(self, prefix: str = "") -> str:
        """Return ``NAME=value`` lines.

        Args:
            prefix: goes before each name: bundlers hand on only variables that begin with theirs, such as ``VITE_``.
        """
        values = {
            "PUBSUB_REGION": self.region,
            "PUBSUB_ENDPOINT": self.pubsub_endpoint,
            "USER_POOL_ID": self.user_pool_id,
            "USER_POOL_CLIENT_ID": self.user_pool_client_id,
            "IDENTITY_POOL_ID": self.identity_pool_id,
        }
        if self.self_attach_url:
            values["PUBSUB_SELF_ATTACH_URL"] = self.self_attach_url
        if self.access_mode:
            values["PUBSUB_ACCESS_MODE"] = self.access_mode
        if self.endpoints:
            values["USER_POOL_ENDPOINT"] = self.endpoints.user_pool
            values["IDENTITY_POOL_ENDPOINT"] = self.endpoints.identity_pool
        return "".join(f"{prefix}{name}={value}\n" for name, value in values.items())


def _websocket_url(endpoint: str) -> str:
    return f"{'wss' if Endpoint.parse(endpoint).tls else 'ws'}://{endpoint}/mqtt"


def _required_attributes(user_pool: Mapping[str, Any]) -> list[str]:
    """Return what a user must have; ``sub``, which every user has, is nobody's to give."""
    return [
        attribute["Name"]
        for attribute in user_pool.get("SchemaAttributes", ())
        if attribute.get("Required") and attribute["Name"] != "sub"
    ]


def _password_policy(user_pool: Mapping[str, Any]) -> Mapping[str, Any]:
    policy: Mapping[str, Any] = user_pool["Policies"]["PasswordPolicy"]
    return policy


def _mfa(user_pool: Mapping[str, Any]) -> str:
    return str(user_pool.get("MfaConfiguration", "OFF"))


def _mfa_methods(user_pool: Mapping[str, Any]) -> list[str]:
    """Return the second factors that users may set up, as Amplify names them."""
    if _mfa(user_pool) == "OFF":
        return []
    by_app = user_pool.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")
    return [name for name, enabled in (("SMS", user_pool.get("SmsMfaConfiguration")), ("TOTP", by_app)) if enabled]


def _capitals(names: Any) -> list[str]:
    return [str(name).upper() for name in names]


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
