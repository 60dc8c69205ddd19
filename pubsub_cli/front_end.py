"""The configuration of a front end for a deployment, in several formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pubsub_client._endpoint import Endpoint
from pubsub_client.outputs import Output

_AMPLIFY_OUTPUTS_VERSION = "1.4"
# Amplify's names of Cognito's values.
_AMPLIFY_MFA = {"OFF": "NONE", "OPTIONAL": "OPTIONAL", "ON": "REQUIRED"}
_PASSWORD_CHARACTERS = {
    "lowercase": "RequireLowercase",
    "numbers": "RequireNumbers",
    "symbols": "RequireSymbols",
    "uppercase": "RequireUppercase",
}


@dataclass(frozen=True)
class CognitoEndpoints:
    """The pools' endpoints, if they are not AWS's own."""

    user_pool: str
    identity_pool: str


@dataclass(frozen=True)
class FrontEnd:
    """A front end's configuration.

    Args:
        outputs: the stack's outputs.
        user_pool: the answers of DescribeUserPool and GetUserPoolMfaConfig for Amplify's sign-up forms; None if the
            calls were denied.
        endpoints: the pools' endpoints; None if they are AWS's own.
    """

    outputs: Mapping[str, str]
    user_pool: Mapping[str, Any] | None = None
    endpoints: CognitoEndpoints | None = None

    def amplify_outputs(self) -> str:
        """Return ``amplify_outputs.json`` of Amplify Gen 2, which has no section for PubSub.

        https://docs.amplify.aws/react/reference/amplify_outputs/
        """
        region = self.outputs[Output.REGION]
        auth: dict[str, Any] = {
            "aws_region": region,
            "user_pool_id": self.outputs[Output.USER_POOL_ID],
            "user_pool_client_id": self.outputs[Output.USER_POOL_CLIENT_ID],
            "identity_pool_id": self.outputs[Output.IDENTITY_POOL_ID],
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
        pubsub = {
            "aws_region": region,
            "endpoint": self._websocket_url,
            "self_attach_url": self.outputs[Output.SELF_ATTACH_URL],
            "access_mode": self.outputs[Output.ACCESS_MODE],
        }
        custom: dict[str, Any] = {"pubsub": pubsub}
        if self.endpoints:
            custom["cognito"] = {
                "user_pool_endpoint": self.endpoints.user_pool,
                "identity_pool_endpoint": self.endpoints.identity_pool,
            }
        return _json({"version": _AMPLIFY_OUTPUTS_VERSION, "auth": auth, "custom": custom})

    def aws_exports(self) -> str:
        """Return ``aws-exports.js`` of Amplify Gen 1, which has no keys for the pools' endpoints.

        https://docs.amplify.aws/gen1/react/build-a-backend/more-features/pubsub/set-up-pubsub/
        """
        region = self.outputs[Output.REGION]
        exports: dict[str, Any] = {
            "aws_project_region": region,
            "aws_cognito_region": region,
            "aws_cognito_identity_pool_id": self.outputs[Output.IDENTITY_POOL_ID],
            "aws_user_pools_id": self.outputs[Output.USER_POOL_ID],
            "aws_user_pools_web_client_id": self.outputs[Output.USER_POOL_CLIENT_ID],
            "aws_mandatory_sign_in": "enable",  # without it Amplify assumes that guests are allowed
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
        exports |= {
            "aws_pubsub_region": region,
            "aws_pubsub_endpoint": self._websocket_url,
            "aws_pubsub_self_attach_url": self.outputs[Output.SELF_ATTACH_URL],
            "aws_pubsub_access_mode": self.outputs[Output.ACCESS_MODE],
        }
        return f"const awsmobile = {_json(exports).rstrip()};\n\nexport default awsmobile;\n"

    def dotenv(self, prefix: str = "") -> str:
        """Return ``NAME=value`` lines.

        Args:
            prefix: the prefix of each name. Bundlers pass on only variables with their prefix, such as ``VITE_``.
        """
        values = {
            "PUBSUB_REGION": self.outputs[Output.REGION],
            "PUBSUB_ENDPOINT": self._websocket_url,
            "PUBSUB_SELF_ATTACH_URL": self.outputs[Output.SELF_ATTACH_URL],
            "PUBSUB_ACCESS_MODE": self.outputs[Output.ACCESS_MODE],
            "USER_POOL_ID": self.outputs[Output.USER_POOL_ID],
            "USER_POOL_CLIENT_ID": self.outputs[Output.USER_POOL_CLIENT_ID],
            "IDENTITY_POOL_ID": self.outputs[Output.IDENTITY_POOL_ID],
        }
        if self.endpoints:
            values["USER_POOL_ENDPOINT"] = self.endpoints.user_pool
            values["IDENTITY_POOL_ENDPOINT"] = self.endpoints.identity_pool
        return "".join(f"{prefix}{name}={value}\n" for name, value in values.items())

    @property
    def _websocket_url(self) -> str:
        endpoint = self.outputs[Output.PUBSUB_ENDPOINT]
        return f"{'wss' if Endpoint.parse(endpoint).tls else 'ws'}://{endpoint}/mqtt"


def _required_attributes(user_pool: Mapping[str, Any]) -> list[str]:
    """Return the required attributes except ``sub``, which Cognito sets."""
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
    """Return the MFA methods that users can set up, in Amplify's names."""
    if _mfa(user_pool) == "OFF":
        return []
    by_app = user_pool.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")
    return [name for name, enabled in (("SMS", user_pool.get("SmsMfaConfiguration")), ("TOTP", by_app)) if enabled]


def _capitals(names: Any) -> list[str]:
    return [str(name).upper() for name in names]


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
