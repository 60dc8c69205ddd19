"""The steps of an attachment: internal sign-in, identity id, AttachPolicy, marker. Imports the AWS SDK."""

from __future__ import annotations

import base64
import json
import os
import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from attachment.clients import LIMITS, iot_client, limits
from attachment.errors import CannotSignInError, InternalSignInLoopError, MfaUserError, error_label
from attachment.internal_sign_in import ClientSecrets, InternalSignIn
from attachment.marker import Marker
from attachment.parameters import CachedParameters, Configuration, PauseFlag
from attachment.pending import PendingAttachment

_CONFIGURATION_PARAMETER = os.environ["CONFIGURATION_PARAMETER"]
_PAUSE_PARAMETER = os.environ["PAUSE_PARAMETER"]
_POLICY_NAME = os.environ["POLICY_NAME"]
_MARKER_ATTRIBUTE = os.environ["MARKER_ATTRIBUTE"]
_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]
_MFA_IS_POSSIBLE = os.environ["MFA"] != "off"

# One call reads both, because a sign-in waits for it. A new chain uses the values that an abandoned one has read.
_parameters = CachedParameters(_CONFIGURATION_PARAMETER, _PAUSE_PARAMETER)
_pause_flag = PauseFlag(_PAUSE_PARAMETER, _parameters)
_secrets = ClientSecrets()


class Chain:
    """Attaches the policy to the identities of users.

    Args:
        session: creates the AWS clients.
    """

    def __init__(self, session: boto3.Session) -> None:
        self._ssm = session.client("ssm", config=LIMITS)
        self._cognito = session.client("cognito-idp", config=LIMITS)
        self._sign_in = InternalSignIn(
            cognito=self._cognito,
            cognito_once=session.client("cognito-idp", config=limits(attempts=1)),
            kms=session.client("kms", config=LIMITS),
            mac_key_id=os.environ["MAC_KEY_ID"],
            secrets=_secrets,
        )
        self._iot = iot_client(attempts=int(os.environ["ATTEMPTS"]), session=session)
        # GetId needs no AWS credentials, so the function's role needs no permission for it.
        self._identities = session.client("cognito-identity", config=LIMITS.merge(Config(signature_version=UNSIGNED)))

    def check_not_paused(self) -> None:
        """Check the pause flag; see :meth:`attachment.parameters.PauseFlag.check`."""
        _pause_flag.check(self._ssm)

    def check_not_internal(self, client_id: str) -> None:
        """Check that the user did not sign in on the internal app client.

        Raises:
            InternalSignInLoopError: the client is the internal one.
            Exception: the configuration cannot be read; see :meth:`attachment.parameters.CachedParameters.read`.
        """
        if client_id == self._configuration().internal_client_id:
            raise InternalSignInLoopError

    def find_identity(self, pending: PendingAttachment) -> None:
        """Find the user's identity id with an internal sign-in, and set it; set the ``sub`` too if it is unknown.

        Raises:
            CannotSignInError: the name belongs to another user now.
            MfaUserError: the user has MFA.
            NewPasswordRequiredError: the user's password is temporary.
            UnexpectedChallengeError: Cognito asks for another challenge.
        """
        # Before the challenge, because its answer could make Cognito send an MFA code.
        if _MFA_IS_POSSIBLE and self._cognito.admin_get_user(
            UserPoolId=pending.user_pool_id, Username=pending.user_name
        ).get("UserMFASettingList"):
            raise MfaUserError
        configuration = self._configuration()
        id_token = self._sign_in.id_token(pending.user_pool_id, configuration.internal_client_id, pending.user_name)
        sub = _sub(id_token)
        if pending.sub not in (None, sub):
            raise CannotSignInError
        pending.sub = sub
        pending.identity_id = self._identities.get_id(
            IdentityPoolId=configuration.identity_pool_id,
            Logins={configuration.user_pool_provider: id_token},
        )["IdentityId"]

    def can_sign_in(self, pending: PendingAttachment) -> bool:
        """Return whether the user still exists, is enabled, and does not have to reset the password."""
        try:
            user = self._cognito.admin_get_user(UserPoolId=pending.user_pool_id, Username=pending.user_name)
        except self._cognito.exceptions.UserNotFoundException:
            return False
        subs = [each.get("Value") for each in user["UserAttributes"] if each["Name"] == "sub"]
        is_same_user = pending.sub is None or subs == [pending.sub]
        return is_same_user and user["Enabled"] and user["UserStatus"] != "RESET_REQUIRED"

    def attach(self, pending: PendingAttachment) -> str | None:
        """Attach the policy to the identity, and set the user's marker.

        Returns:
            None, or why the marker was not set. The policy is attached then, and the next sign-in attaches it again.
        """
        identity_id = str(pending.identity_id)
        self._iot.attach_policy(policyName=_POLICY_NAME, target=identity_id)
        marker = Marker(_FINGERPRINT, identity_id, int(time.time()))
        try:
            self._cognito.admin_update_user_attributes(
                UserPoolId=pending.user_pool_id,
                Username=pending.user_name,
                UserAttributes=[{"Name": _MARKER_ATTRIBUTE, "Value": str(marker)}],
            )
        except (BotoCoreError, ClientError) as error:
            return f"marker not set: {error_label(error)}"
        return None

    def _configuration(self) -> Configuration:
        return Configuration.from_json(_parameters.read(self._ssm)[_CONFIGURATION_PARAMETER])


def _sub(id_token: str) -> str:
    """Return the ``sub`` claim. The token comes directly from Cognito, so its signature is not verified."""
    payload = id_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])
