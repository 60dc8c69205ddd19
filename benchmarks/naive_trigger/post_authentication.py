"""A PostAuthentication trigger as people write it: SDK clients at import, every call at each sign-in.

It does attach, by the product's own internal sign-in and with the product's guard against a loop. What it lacks is the
marker, the SDK imported only when it is needed, the configuration kept between sign-ins, and any care for failures.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from attachment.internal_sign_in import CLIENT_METADATA, ClientSecrets, InternalSignIn
from attachment.parameters import Configuration

_ssm = boto3.client("ssm")
_cognito = boto3.client("cognito-idp")
_kms = boto3.client("kms")
_iot = boto3.client("iot")
_secrets = ClientSecrets()
_identities = boto3.client("cognito-identity", config=Config(signature_version=UNSIGNED))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Attach the policy, whether it is attached already or not."""
    if (event["request"].get("clientMetadata") or {}).items() >= CLIENT_METADATA.items():
        return event
    (parameter,) = _ssm.get_parameters(Names=[os.environ["CONFIGURATION_PARAMETER"]])["Parameters"]
    configuration = Configuration.from_json(parameter["Value"])
    sign_in = InternalSignIn(
        cognito=_cognito,
        cognito_once=_cognito,
        kms=_kms,
        mac_key_id=os.environ["MAC_KEY_ID"],
        user_pool_id=event["userPoolId"],
        client_id=configuration.internal_client_id,
        secrets=_secrets,
    )
    identity_id = _identities.get_id(
        IdentityPoolId=configuration.identity_pool_id,
        Logins={configuration.user_pool_provider: sign_in.id_token(event["userName"])},
    )["IdentityId"]
    _iot.attach_policy(policyName=os.environ["POLICY_NAME"], target=identity_id)
    print("attached", flush=True)
    return event
