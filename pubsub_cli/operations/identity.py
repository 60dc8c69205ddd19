"""Find one identity and its user, and report what AWS knows about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.options import IdToken
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError, operation_error
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.pool_users import Marker, PoolUser, is_identity_pool, read_identity, read_user
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cognito_identity.type_defs import IdentityDescriptionResponseTypeDef


@dataclass(frozen=True)
class Subject:
    """An identity and its user, as far as they are known.

    No AWS API maps a user to an identity id or back. A user's marker contains the identity id. An ID token proves both.

    Args:
        identity_id: the identity; None for a user without a marker.
        user: the user; None for an identity given by its id.
        only_marked: whether the identity id is only from the marker, and so not proven.
    """

    identity_id: str | None
    user: PoolUser | None
    only_marked: bool = False

    def known_identity_id(self) -> str:
        """Return the identity id.

        Raises:
            OperationError: the user has no marker.
        """
        if self.identity_id is not None:
            return self.identity_id
        raise unknown_identity_id(self)


def unknown_identity_id(subject: Subject) -> OperationError:
    """Return the error for a user without a marker."""
    return operation_error(
        f"The identity id of {subject.user} is unknown: the user has no marker, and no AWS API returns it.",
        resource=str(subject.user),
        fix="Give --identity-id or --id-token instead of --user. With attachment: sign-in, the next sign-in or "
        "`pubsub attach` writes the marker.",
    )


def find_subject(deployment: Deployment, user: str | None, identity_id: str | None, id_token: str | None) -> Subject:
    """Return the identity and its user, as far as they are known, by one of the three.

    Args:
        deployment: the deployment.
        user: the user's name or alias. The identity is the one in the user's marker.
        identity_id: the identity id.
        id_token: the user's ID token. The identity pool returns the identity.

    Raises:
        PreconditionError: it is not an ID token of the stack's user pool.
        OperationError: there is no such user or identity.
    """
    if user is not None:
        found = find_user(deployment, user)
        return Subject(found.marker.identity_id if found.marker else None, found, only_marked=True)
    if identity_id is not None:
        describe_identity(deployment, identity_id)
        return Subject(identity_id, None)
    token, pool = IdToken.parse(id_token or ""), deployment.output(Output.USER_POOL_ID)
    if token.user_pool_id != pool:
        raise PreconditionError(f"--id-token: this is an ID token of user pool {token.user_pool_id}, not of {pool}")
    answer = deployment.aws.identity_pools_unsigned.get_id(
        IdentityPoolId=deployment.output(Output.IDENTITY_POOL_ID), Logins={token.login: token.text}
    )
    return Subject(answer["IdentityId"], find_user(deployment, token.user_name))


def describe_identity(deployment: Deployment, identity_id: str) -> IdentityDescriptionResponseTypeDef:
    """Return the DescribeIdentity answer for an identity of a user of the stack.

    The answer does not name the identity pool. So the identity must be in the stack's region, and have a login of the
    stack's user pool.

    Raises:
        OperationError: there is no such identity, or it belongs to another stack.
    """
    region, user_pool = deployment.output(Output.REGION), deployment.output(Output.USER_POOL_ID)
    fix = "Look up the user instead: pubsub identity --user NAME"
    identity = read_identity(deployment.aws, region, identity_id)
    if identity is None and is_identity_pool(deployment.aws, identity_id, deployment.output(Output.IDENTITY_POOL_ID)):
        raise operation_error(
            f"{identity_id} is the id of an identity pool, not of a user's identity.", resource=identity_id, fix=fix
        )
    if identity is None:
        raise operation_error(f"There is no identity {identity_id} in {region}.", resource=identity_id, fix=fix)
    if not any(login.endswith(f"/{user_pool}") for login in identity.get("Logins", ())):
        raise operation_error(
            f"Identity {identity_id} does not belong to this stack: it has no login of user pool {user_pool}.",
            resource=identity_id,
            fix=fix,
        )
    return identity


def find_user(deployment: Deployment, name: str) -> PoolUser:
    """Return the user with this name or alias."""
    pool, user_pools = deployment.output(Output.USER_POOL_ID), deployment.aws.user_pools
    found = read_user(user_pools, pool, name)
    if found is None:
        raise operation_error(
            f"There is no user {name} in user pool {pool}.",
            resource=name,
            fix=f"aws cognito-idp list-users --user-pool-id {pool}",
        )
    return found


def describe_subject(deployment: Deployment, subject: Subject) -> dict[str, Any]:
    """Return what AWS knows about an identity and its user, as the JSON document shows it; None where it knows nothing.

    Raises:
        OperationError: the identity does not exist, or belongs to another stack.
    """
    user, identity_id = subject.user, subject.identity_id
    identity = describe_identity(deployment, identity_id) if identity_id else None
    policies = deployment.attached_policies(identity_id) if identity_id else None
    return {
        "identity_id": identity_id,
        "user": user
        and {
            "name": user.name,
            "status": user.status,
            "enabled": user.enabled,
            "groups": _groups(deployment, user),
        },
        # Without a trigger nothing reads a marker, which an earlier deployment may have left.
        "marker": _marker_fields(deployment, user.marker)
        if user and user.marker and deployment.attaches_at_sign_in
        else None,
        "policies": policies,
        "attached": None if policies is None else deployment.policy_name in policies,
        "logins": identity and identity.get("Logins", []),
        "created": identity and _time(identity["CreationDate"]),
        "last_modified": identity and _time(identity["LastModifiedDate"]),
    }


def _marker_fields(deployment: Deployment, marker: Marker) -> dict[str, Any]:
    """Evaluate a marker as the trigger does, with the configuration of the deployed trigger."""
    trigger = deployment.aws.functions.get_function_configuration(
        FunctionName=deployment.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    )
    attached_at = datetime.fromtimestamp(marker.attached_at, UTC)
    until = attached_at + timedelta(days=int(trigger["Environment"]["Variables"]["ATTACHMENT_CACHE_DAYS"]))
    current = marker.matches(deployment.outputs) and attached_at <= datetime.now(UTC) < until
    return {"current": current, "attached_at": _time(attached_at), "until": _time(until)}


def _groups(deployment: Deployment, user: PoolUser) -> list[str]:
    """Return the names of the user's groups."""
    pages = deployment.aws.user_pools.get_paginator("admin_list_groups_for_user").paginate(
        UserPoolId=deployment.output(Output.USER_POOL_ID), Username=user.name
    )
    return [group["GroupName"] for page in pages for group in page["Groups"]]


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
