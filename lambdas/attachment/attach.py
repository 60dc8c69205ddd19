"""The chain itself: nested sign-in, identity id, AttachPolicy, marker. Importing this module imports the AWS SDK."""

from __future__ import annotations

import os
import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from attachment.configuration import ConfigurationParameter
from attachment.limits import LIMITS
from attachment.marker import Marker
from attachment.nested_sign_in import NestedSignIn
from attachment.report import cause

_ssm = boto3.client("ssm", config=LIMITS)
_cognito = boto3.client("cognito-idp", config=LIMITS)
_kms = boto3.client("kms", config=LIMITS)
_iot = boto3.client("iot", config=LIMITS)
# GetId needs no AWS credentials, so the function's role needs no permission for it.
_identities = boto3.client("cognito-identity", config=LIMITS.merge(Config(signature_version=UNSIGNED)))

_parameter = ConfigurationParameter(os.environ["CONFIGURATION_PARAMETER"])


class NestedSignInLoopError(Exception):
    """The trigger was fired by a sign-in on the internal app client, which must never start another."""


def attach(
    *,
    user_pool_id: str,
    client_id: str,
    user_name: str,
    policy_name: str,
    marker_attribute: str,
    fingerprint: str,
) -> str | None:
    """Attach the policy to the identity of the user who is signing in, and mark the user as attached.

    AttachPolicy is repeat-safe, so a chain that broke off is simply run again at the next sign-in.

    Args:
        user_pool_id: the pool of the sign-in, from the trigger's event.
        client_id: the app client the user signs in on.
        user_name: the user's name exactly as the event gives it (aliases and letter case then do not matter).
        policy_name: the IoT policy to attach.
        marker_attribute: the user attribute that holds the marker.
        fingerprint: what the marker begins with.

    Returns:
        None, or why the user could not be marked: attached all the same, and attached again at the next sign-in.

    Raises:
        NestedSignInLoopError: the sign-in is the nested one.
        UnexpectedChallengeError: the user cannot be signed in by proof.
        botocore.exceptions.ClientError: an AWS call failed.
    """
    configuration = _parameter.read(_ssm)
    if client_id == configuration.internal_client_id:
        raise NestedSignInLoopError
    nested = NestedSignIn(_cognito, _kms, os.environ["MAC_KEY_ID"], user_pool_id, configuration.internal_client_id)
    identity_id = _identities.get_id(
        IdentityPoolId=configuration.identity_pool_id,
        Logins={configuration.user_pool_provider: nested.id_token(user_name)},
    )["IdentityId"]
    _iot.attach_policy(policyName=policy_name, target=identity_id)
    attached = Marker(fingerprint, identity_id, int(time.time()))
    try:
        _cognito.admin_update_user_attributes(
            UserPoolId=user_pool_id,
            Username=user_name,
            UserAttributes=[{"Name": marker_attribute, "Value": str(attached)}],
        )
    except (BotoCoreError, ClientError) as error:
        return f"not marked: {cause(error)}"
    return None
