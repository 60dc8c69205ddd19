"""The users of the user pool, their markers, and temporary test users."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from pubsub_cli.aws import Aws
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import MARKER_ATTRIBUTE, Output

if TYPE_CHECKING:
    from types_boto3_cognito_identity.type_defs import IdentityDescriptionResponseTypeDef
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_cognito_idp.type_defs import AttributeTypeTypeDef, UserTypeTypeDef

ATTRIBUTE = f"custom:{MARKER_ATTRIBUTE}"
"""The marker attribute's name in Cognito's API."""

_PREFIX = "pubsub-smoke-"
# Users choose their names when they sign up, so only names of exactly this form count as test users.
_TEST_USER_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{12}}")
# Concurrent runs see each other's users. After this time a run has ended or was killed.
_STALE_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Marker:
    """The value of the user attribute that records an attachment.

    Args:
        fingerprint: the stack's output ``AttachmentMarker`` at the time of the attachment.
        identity_id: the identity.
        attached_at: the time, in Unix seconds.
    """

    fingerprint: str
    identity_id: str
    attached_at: int

    @classmethod
    def of(cls, attributes: Sequence[AttributeTypeTypeDef]) -> Self | None:
        """Return the marker among a user's attributes; None if there is none that the trigger can read.

        ``lambdas/attachment/marker.py`` has the same rules; ``tests/markers.py`` tests both.
        """
        values = {each["Name"]: each.get("Value", "") for each in attributes}
        fingerprint, _, rest = values.get(ATTRIBUTE, "").partition("/")
        identity_id, _, attached_at = rest.partition("/")
        if not (fingerprint and identity_id and attached_at.isascii() and attached_at.isdigit()):
            return None
        return cls(fingerprint, identity_id, int(attached_at))

    @classmethod
    def now(cls, fingerprint: str, identity_id: str) -> Self:
        """Return the marker of an attachment made now."""
        return cls(fingerprint, identity_id, int(time.time()))

    def matches(self, outputs: Mapping[str, str]) -> bool:
        """Return whether the marker records an attachment of this deployment's current policy."""
        return self.fingerprint == outputs[Output.ATTACHMENT_MARKER]

    def __str__(self) -> str:
        return f"{self.fingerprint}/{self.identity_id}/{self.attached_at}"


@dataclass(frozen=True)
class PoolUser:
    """A user as AdminGetUser returns it.

    Args:
        name: the user name, also if the user was found by an alias or in another letter case.
        status: Cognito's UserStatus, such as CONFIRMED.
        enabled: whether the user can sign in.
        attributes: the user's attributes without the marker.
        marker: the user's marker; None if there is none.
        mfa_methods: the MFA methods that the user has set up.
    """

    name: str
    status: str
    enabled: bool
    attributes: Mapping[str, str]
    marker: Marker | None
    mfa_methods: tuple[str, ...] = ()

    @property
    def requires_self_attach(self) -> bool:
        """Whether the trigger cannot sign in this user: MFA and federated users."""
        return bool(self.mfa_methods) or self.status == "EXTERNAL_PROVIDER"

    def __str__(self) -> str:
        return f"{self.name} ({self.status}, {'enabled' if self.enabled else 'disabled'})"


def read_user(user_pools: CognitoIdentityProviderClient, user_pool_id: str, name: str) -> PoolUser | None:
    """Return the user with this name or alias; None if there is none.

    Raises:
        botocore.exceptions.ClientError: AdminGetUser failed.
    """
    try:
        found = user_pools.admin_get_user(UserPoolId=user_pool_id, Username=name)
    except user_pools.exceptions.UserNotFoundException:
        return None
    attributes = {each["Name"]: each.get("Value", "") for each in found["UserAttributes"]}
    return PoolUser(
        name=found["Username"],
        status=found["UserStatus"],
        enabled=found["Enabled"],
        attributes={key: value for key, value in attributes.items() if key != ATTRIBUTE},
        marker=Marker.of(found["UserAttributes"]),
        mfa_methods=tuple(found.get("UserMFASettingList", ())),
    )


def read_identity(aws: Aws, region: str, identity_id: str) -> IdentityDescriptionResponseTypeDef | None:
    """Return AWS's description of an identity; None if the region has no such identity.

    It contains the identity's logins, but not its identity pool.

    Raises:
        botocore.exceptions.ClientError: DescribeIdentity failed.
    """
    if not identity_id.startswith(f"{region}:"):
        return None
    try:
        return aws.identity_pools.describe_identity(IdentityId=identity_id)
    except aws.identity_pools.exceptions.ResourceNotFoundException:
        return None


def is_identity_pool(aws: Aws, given_id: str, known_pool: str) -> bool:
    """Return whether an id, which looks like an identity id, is the known identity pool's or another one's."""
    if given_id == known_pool:
        return True
    try:
        aws.identity_pools.describe_identity_pool(IdentityPoolId=given_id)
    except ClientError:
        return False
    return True


@dataclass(frozen=True)
class User:
    """A user's name and password."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class StaleUser:
    """A test user that a killed run left behind. The marker contains the identity id."""

    name: str
    marker: Marker | None


class TestUsers:
    """Users with random names and passwords that a run creates, and removes at its end."""

    __test__ = False  # not a pytest class

    def __init__(self, aws: Aws, outputs: Mapping[str, str]) -> None:
        self._aws = aws
        self._outputs = outputs
        self._created: list[str] = []
        self._marked_by_us: set[str] = set()
        self._identity_ids: list[str] = []

    @cached_property
    def _username_attributes(self) -> Sequence[str]:
        """The attributes with which users sign in instead of a name, such as ``email``; Cognito then generates names.

        https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
        """
        pool = self._aws.user_pools.describe_user_pool(UserPoolId=self._outputs[Output.USER_POOL_ID])["UserPool"]
        return pool.get("UsernameAttributes", [])

    def create(self, *, marked: bool = False, group: str | None = None) -> User:
        """Create a user who can sign in.

        Args:
            marked: give the user a current marker, so that the trigger skips the attachment.
            group: add the user to this Cognito group.

        Raises:
            botocore.exceptions.ClientError: a call to the user pool failed.
            PreconditionError: no test user can be created in this user pool.
        """
        pool = self._outputs[Output.USER_POOL_ID]
        if self._username_attributes and "email" not in self._username_attributes:
            raise PreconditionError(
                f"users of {pool} sign in only with a phone number, so no test user can be created: give an existing "
                "user with --user NAME --password-stdin"
            )
        name = f"{_PREFIX}{uuid.uuid4().hex[:12]}"
        email = f"{name}@example.com"
        user = User(email if self._username_attributes else name, f"Aa1!{secrets.token_urlsafe(24)}")
        attributes = {"email": email, "email_verified": "true"}
        if marked:
            identity_id = f"{self._outputs[Output.REGION]}:{uuid.uuid4()}"
            attributes[ATTRIBUTE] = str(Marker.now(self._outputs[Output.ATTACHMENT_MARKER], identity_id))
            self._marked_by_us.add(user.name)
        self._created.append(user.name)
        self._aws.user_pools.admin_create_user(
            UserPoolId=pool,
            Username=user.name,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            MessageAction="SUPPRESS",
        )
        self._aws.user_pools.admin_set_user_password(
            UserPoolId=pool, Username=user.name, Password=user.password, Permanent=True
        )
        if group:
            self._aws.user_pools.admin_add_user_to_group(UserPoolId=pool, Username=user.name, GroupName=group)
        return user

    def track_identity(self, identity_id: str) -> None:
        """Remove this identity when the users are removed."""
        self._identity_ids.append(identity_id)

    def remove(self) -> list[str]:
        """Remove the users, their identities and attachments. A failure does not stop the removal.

        An identity that the run did not find out is found by the user's marker.

        Returns:
            One line for each removal that failed, with the cause.
        """
        failures: list[str] = []
        for name in self._created:
            _collect(failures, self._find_identity, name)
        for identity_id in dict.fromkeys(self._identity_ids):
            _collect(failures, self._detach, identity_id)
            _collect(failures, self._delete_identity, identity_id)
        for name in self._created:
            _collect(failures, self._delete_user, name)
        return failures

    def find_stale(self) -> list[StaleUser]:
        """Return the test users that killed runs left behind, by name.

        Raises:
            botocore.exceptions.ClientError: the users cannot be listed.
        """
        searched = "email" if "email" in self._username_attributes else "username"
        pages = self._aws.user_pools.get_paginator("list_users").paginate(
            UserPoolId=self._outputs[Output.USER_POOL_ID], Filter=f'{searched} ^= "{_PREFIX}"'
        )
        before = datetime.now(UTC) - _STALE_AFTER
        users = [
            StaleUser(user["Username"], Marker.of(user.get("Attributes", [])))
            for page in pages
            for user in page["Users"]
            if user["UserCreateDate"] < before and _TEST_USER_NAME.fullmatch(_given_name(user))
        ]
        return sorted(users, key=lambda each: each.name)

    def _find_identity(self, name: str) -> None:
        pool = self._outputs[Output.USER_POOL_ID]
        user = read_user(self._aws.user_pools, pool, name)
        if user and user.marker and name not in self._marked_by_us:
            self.track_identity(user.marker.identity_id)

    def _detach(self, identity_id: str) -> None:
        self._aws.iot.detach_policy(policyName=self._outputs[Output.POLICY_NAME], target=identity_id)

    def _delete_identity(self, identity_id: str) -> None:
        answer = self._aws.identity_pools.delete_identities(IdentityIdsToDelete=[identity_id])
        if answer.get("UnprocessedIdentityIds"):
            raise _NotRemovedError(f"DeleteIdentities did not process {identity_id}")

    def _delete_user(self, name: str) -> None:
        try:
            self._aws.user_pools.admin_delete_user(UserPoolId=self._outputs[Output.USER_POOL_ID], Username=name)
        except self._aws.user_pools.exceptions.UserNotFoundException:
            return


class _NotRemovedError(Exception):
    """The call succeeded, but removed nothing."""


def _given_name(user: UserTypeTypeDef) -> str:
    """Return the name that a run gave to the user: the user name, or the local part of the email address."""
    email = next((each["Value"] for each in user.get("Attributes", []) if each["Name"] == "email"), "")
    return email.removesuffix("@example.com") if email.startswith(_PREFIX) else user["Username"]


def _collect(failures: list[str], action: Callable[[str], None], subject: str) -> None:
    try:
        action(subject)
    except (BotoCoreError, ClientError, _NotRemovedError) as error:
        failures.append(f"{subject}: {error}")
