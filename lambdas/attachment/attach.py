"""The chain itself: internal sign-in, identity id, AttachPolicy, marker. Importing this module imports the AWS SDK."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import TYPE_CHECKING

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from attachment.configuration import ConfigurationParameter
from attachment.errors import CannotSignInError, InternalSignInLoopError, MfaUserError
from attachment.internal_sign_in import ClientSecrets, InternalSignIn
from attachment.iot import iot_client
from attachment.limits import LIMITS, limits
from attachment.marker import Marker
from attachment.parameters import KeptParameters
from attachment.report import cause
from attachment.switch import KEEP_SECONDS, AttachingSwitch

if TYPE_CHECKING:
    import boto3

    from attachment.owed import Owed

# One call for both: a sign-in waits for it. They are kept when a chain with its clients is abandoned.
_parameters = KeptParameters(
    os.environ["CONFIGURATION_PARAMETER"], os.environ["PAUSE_PARAMETER"], keep_seconds=KEEP_SECONDS
)
_configuration = ConfigurationParameter(os.environ["CONFIGURATION_PARAMETER"], _parameters)
_secrets = ClientSecrets()
_switch = AttachingSwitch(os.environ["PAUSE_PARAMETER"], _parameters)

_POLICY_NAME = os.environ["POLICY_NAME"]
_MARKER_ATTRIBUTE = os.environ["MARKER_ATTRIBUTE"]
_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]
_SECOND_FACTORS = os.environ["MFA"] != "off"


class Chain:
    """The calls of an attachment, and the clients that make them.

    Args:
        session: makes the clients.
    """

    def __init__(self, session: boto3.Session) -> None:
        self._ssm = session.client("ssm", config=LIMITS)
        self._cognito = session.client("cognito-idp", config=LIMITS)
        # An answer to a challenge is good once: a second one would be refused, and that would look like a refused user.
        self._answering = session.client("cognito-idp", config=limits(attempts=1))
        self._kms = session.client("kms", config=LIMITS)
        self._iot = iot_client(attempts=int(os.environ["ATTEMPTS"]), session=session)
        # GetId needs no AWS credentials, so the function's role needs no permission for it.
        self._identities = session.client("cognito-identity", config=LIMITS.merge(Config(signature_version=UNSIGNED)))

    def check_is_on(self) -> None:
        """Check that anything may be attached.

        Raises:
            AttachmentPausedError: attaching is turned off.
            botocore.exceptions.ClientError: the switch cannot be read.
        """
        _switch.check(self._ssm)

    def refuse_nested(self, client_id: str) -> None:
        """Refuse to work for a sign-in on the internal app client, which is a nested one.

        Raises:
            InternalSignInLoopError: it is the internal app client's.
            botocore.exceptions.ClientError: the configuration cannot be read.
        """
        if client_id == _configuration.read(self._ssm).internal_client_id:
            raise InternalSignInLoopError

    def find_identity(self, owed: Owed) -> None:
        """Find the identity id of the user by a internal sign-in, and the ``sub`` if it is not known.

        Raises:
            CannotSignInError: the name belongs to another user by now.
            MfaUserError: the user has a second factor.
            NewPasswordRequiredError: Cognito still wants a new password first.
            UnexpectedChallengeError: the user cannot be signed in by proof.
            botocore.exceptions.ClientError: an AWS call failed.
        """
        # The user is asked for first: answering the challenge could have a second factor sent.
        if _SECOND_FACTORS and self._cognito.admin_get_user(UserPoolId=owed.user_pool_id, Username=owed.user_name).get(
            "UserMFASettingList"
        ):
            raise MfaUserError
        configuration = _configuration.read(self._ssm)
        nested = InternalSignIn(
            cognito=self._cognito,
            answering=self._answering,
            kms=self._kms,
            mac_key_id=os.environ["MAC_KEY_ID"],
            user_pool_id=owed.user_pool_id,
            client_id=configuration.internal_client_id,
            secrets=_secrets,
        )
        id_token = nested.id_token(owed.user_name)
        sub = _sub(id_token)
        if owed.sub not in (None, sub):
            raise CannotSignInError
        owed.sub = sub
        owed.identity_id = self._identities.get_id(
            IdentityPoolId=configuration.identity_pool_id,
            Logins={configuration.user_pool_provider: id_token},
        )["IdentityId"]

    def can_sign_in(self, owed: Owed) -> bool:
        """Tell whether the user still exists, is the same one, is enabled, and has a password that is good.

        Raises:
            botocore.exceptions.ClientError: Cognito does not tell.
        """
        try:
            user = self._cognito.admin_get_user(UserPoolId=owed.user_pool_id, Username=owed.user_name)
        except self._cognito.exceptions.UserNotFoundException:
            return False
        subs = [each.get("Value") for each in user["UserAttributes"] if each["Name"] == "sub"]
        is_the_same = owed.sub is None or subs == [owed.sub]
        return is_the_same and user["Enabled"] and user["UserStatus"] != "RESET_REQUIRED"

    def attach(self, owed: Owed) -> str | None:
        """Attach the policy to the identity that was found, and mark the user as attached.

        AttachPolicy is repeat-safe, so a chain that broke off is simply run again.

        Returns:
            None, or why the user could not be marked: attached all the same, and attached again at the next sign-in.

        Raises:
            botocore.exceptions.ClientError: AWS IoT refuses.
        """
        identity_id = str(owed.identity_id)
        self._iot.attach_policy(policyName=_POLICY_NAME, target=identity_id)
        attached = Marker(_FINGERPRINT, identity_id, int(time.time()))
        try:
            self._cognito.admin_update_user_attributes(
                UserPoolId=owed.user_pool_id,
                Username=owed.user_name,
                UserAttributes=[{"Name": _MARKER_ATTRIBUTE, "Value": str(attached)}],
            )
        except (BotoCoreError, ClientError) as error:
            return f"not marked: {cause(error)}"
        return None


def _sub(id_token: str) -> str:
    """Return whom an ID token is for. It comes from Cognito itself, so its signature proves nothing more."""
    payload = id_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])
