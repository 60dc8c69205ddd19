"""Whom an operation is about: named by user, by identity id, or proven by an ID token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pubsub_cli.checks.options import IdToken
from pubsub_cli.errors import PreconditionError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import OperationError, not_done
from pubsub_cli.operations.pool_user import find_user
from pubsub_cli.pool_users import PoolUser
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cognito_identity.type_defs import IdentityDescriptionResponseTypeDef


@dataclass(frozen=True)
class Subject:
    """An identity and its user, as far as they are known.

    No AWS API leads from a user to an identity id or back: a user's marker tells the identity id, an ID token both.

    Args:
        identity_id: the identity; None of a user without a marker.
        user: the user; None of an identity given by its id.
        only_marked: the identity id is the marker's word alone.
    """

    identity_id: str | None
    user: PoolUser | None
    only_marked: bool = False

    def known_identity_id(self) -> str:
        """Return the identity id.

        Raises:
            OperationError: the user carries no marker.
        """
        if self.identity_id is not None:
            return self.identity_id
        raise not_known(self)


def not_known(subject: Subject) -> OperationError:
    """Return the error for a user without a marker."""
    return not_done(
        f"The identity id of {subject.user} is not known: the user carries no marker, and no AWS API tells it.",
        resource=str(subject.user),
        fix="Give --identity-id or --id-token instead of --user; a sign-in that attaches marks the user, and so does "
        "`pubsub attach`, unless the setting attachment is self-attach.",
    )


def by_user(deployment: Deployment, name: str) -> Subject:
    """Return the user, and the identity that the user's marker names.

    Raises:
        OperationError: there is no such user.
    """
    user = find_user(deployment, name)
    return Subject(user.marker.identity_id if user.marker else None, user, only_marked=True)


def by_identity_id(deployment: Deployment, identity_id: str) -> Subject:
    """Return the identity.

    Raises:
        OperationError: it is not one of the stack's users'.
    """
    describe_identity(deployment, identity_id)
    return Subject(identity_id, None)


def by_id_token(deployment: Deployment, id_token: str) -> Subject:
    """Return the identity that the identity pool gives for an ID token, and the token's user.

    Raises:
        PreconditionError: it is no ID token of the stack's user pool.
    """
    token, pool = IdToken.parse(id_token), deployment.output(Output.USER_POOL_ID)
    if token.user_pool_id != pool:
        raise PreconditionError(f"--id-token: this is no ID token of user pool {pool}, but one of {token.user_pool_id}")
    answer = deployment.aws.identity_pools_unsigned.get_id(
        IdentityPoolId=deployment.output(Output.IDENTITY_POOL_ID), Logins={token.login: id_token}
    )
    return Subject(answer["IdentityId"], find_user(deployment, token.user_name))


def describe_identity(deployment: Deployment, identity_id: str) -> IdentityDescriptionResponseTypeDef:
    """Return what DescribeIdentity tells of an identity that belongs to one of the stack's users.

    It does not tell the identity pool. An identity of the stack's region with a login of its user pool is taken for
    the stack's own.

    Raises:
        OperationError: there is no such identity, or it is somebody else's.
    """
    pool, region = deployment.output(Output.IDENTITY_POOL_ID), deployment.output(Output.REGION)
    identity_pools = deployment.aws.identity_pools
    fix = "Ask for the user instead: pubsub identity --user NAME"
    if not identity_id.startswith(f"{region}:"):
        raise not_done(
            f"Identity {identity_id} is not of identity pool {pool}: it is of another region.",
            resource=identity_id,
            fix=fix,
        )
    try:
        identity = identity_pools.describe_identity(IdentityId=identity_id)
    except identity_pools.exceptions.ResourceNotFoundException:
        raise not_done(f"There is no identity {identity_id}.", resource=identity_id, fix=fix) from None
    user_pool = deployment.output(Output.USER_POOL_ID)
    if not any(login.endswith(f"/{user_pool}") for login in identity.get("Logins", ())):
        raise not_done(
            f"Identity {identity_id} is not of this stack: it has no login of user pool {user_pool}.",
            resource=identity_id,
            fix=fix,
        )
    return identity
