"""The users a run makes for itself, and how it removes every trace of them."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pubsub_cli.aws import Aws
from pubsub_cli.checks.marker import ATTRIBUTE, Marker
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserTypeTypeDef

_PREFIX = "pubsub-smoke-"
# Anybody who may sign up can choose a name with this prefix; only names like ours are taken for ours.
_OURS = re.compile(rf"{_PREFIX}[0-9a-f]{{12}}")
# Two runs at once see each other's users; a run that is this old has ended or been killed.
_LEFT_OVER_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class User:
    """A user's name and password."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"User(name={self.name!r})"


@dataclass(frozen=True)
class LeftOver:
    """A user that a killed run left behind, and the user's marker, which names the identity."""

    name: str
    marker: Marker | None


class ProbeUsers:
    """Users made by an administrator's call, with a random name and a random password.

    Args:
        aws: the operator's way to AWS.
        outputs: the stack's outputs.
    """

    def __init__(self, aws: Aws, outputs: Mapping[str, str]) -> None:
        self._aws = aws
        self._outputs = outputs
        self._made: list[str] = []
        self._marked_by_us: set[str] = set()
        self._identity_ids: list[str] = []

    @cached_property
    def _named_by(self) -> Sequence[str]:
        """The attributes that users sign in by in the place of a name: the e-mail address in most pools of Amplify's.

        Cognito then chooses the user's own name, and takes no other.
        https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
        """
        pool = self._aws.user_pools.describe_user_pool(UserPoolId=self._outputs[Output.USER_POOL_ID])["UserPool"]
        return pool.get("UsernameAttributes", [])

    def make(self, *, marked: bool = False, group: str | None = None) -> User:
        """Make a user who can sign in.

        Args:
            marked: give the user a current marker, so that the sign-in trigger takes the policy for attached.
            group: put the user into this Cognito group.

        Raises:
            botocore.exceptions.ClientError: a call to the user pool failed.
            PreconditionError: nobody can be made in this user pool.
        """
        pool = self._outputs[Output.USER_POOL_ID]
        if self._named_by and "email" not in self._named_by:
            raise PreconditionError(
                f"users of {pool} sign in by telephone number alone, and none can be made for a test: give an existing "
                "one, --user NAME --password-stdin"
            )
        name = f"{_PREFIX}{uuid.uuid4().hex[:12]}"
        email = f"{name}@example.com"
        user = User(email if self._named_by else name, f"Aa1!{secrets.token_urlsafe(24)}")
        attributes = {"email": email, "email_verified": "true"}
        if marked:
            attributes[ATTRIBUTE] = str(self._current_marker())
            self._marked_by_us.add(user.name)
        self._made.append(user.name)
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

    def owns(self, identity_id: str) -> None:
        """Take note of an identity that one of these users got, to remove it with the users."""
        self._identity_ids.append(identity_id)

    def remove(self) -> list[str]:
        """Remove the users, their identities and attachments; all of it, even if a part fails.

        An identity that the run never learned of, because it was stopped before, is found by the user's marker.

        Returns:
            What could not be removed, and why, one line each.
        """
        failures: list[str] = []
        for name in self._made:
            _collect(failures, self._find_identity, name)
        for identity_id in dict.fromkeys(self._identity_ids):
            _collect(failures, self._detach, identity_id)
            _collect(failures, self._delete_identity, identity_id)
        for name in self._made:
            _collect(failures, self._delete_user, name)
        return failures

    def left_over(self) -> list[LeftOver]:
        """Return the users that an earlier, killed run has left behind, by name.

        Raises:
            botocore.exceptions.ClientError: the users cannot be listed.
        """
        named_by = "email" if "email" in self._named_by else "username"
        pages = self._aws.user_pools.get_paginator("list_users").paginate(
            UserPoolId=self._outputs[Output.USER_POOL_ID], Filter=f'{named_by} ^= "{_PREFIX}"'
        )
        before = datetime.now(UTC) - _LEFT_OVER_AFTER
        users = [
            user
            for page in pages
            for user in page["Users"]
            if user["UserCreateDate"] < before and _OURS.fullmatch(_name(user))
        ]
        return sorted(
            (LeftOver(user["Username"], Marker.of(user.get("Attributes", []))) for user in users),
            key=lambda each: each.name,
        )

    def _current_marker(self) -> Marker:
        return Marker.now(self._outputs[Output.ATTACHMENT_MARKER], f"{self._outputs[Output.REGION]}:{uuid.uuid4()}")

    def _find_identity(self, name: str) -> None:
        pool = self._outputs[Output.USER_POOL_ID]
        try:
            user = self._aws.user_pools.admin_get_user(UserPoolId=pool, Username=name)
        except self._aws.user_pools.exceptions.UserNotFoundException:
            return
        if name not in self._marked_by_us and (marker := Marker.of(user["UserAttributes"])):
            self.owns(marker.identity_id)

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


def _name(user: UserTypeTypeDef) -> str:
    """Return the name that a run of ours has given a user: the user's own, or that of the e-mail address."""
    email = next((each["Value"] for each in user.get("Attributes", []) if each["Name"] == "email"), "")
    return email.removesuffix("@example.com") if email.startswith(_PREFIX) else user["Username"]


class _NotRemovedError(Exception):
    """AWS answered, and removed nothing."""


def _collect(failures: list[str], action: Callable[[str], None], subject: str) -> None:
    try:
        action(subject)
    except (BotoCoreError, ClientError, _NotRemovedError) as error:
        failures.append(f"{subject}: {error}")
