"""Finds a user of the user pool, and what stands in the way of attaching one."""

from __future__ import annotations

import shlex

from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import not_done
from pubsub_cli.pool_users import PoolUser, read_user
from pubsub_client.outputs import Output


def find_user(deployment: Deployment, name: str) -> PoolUser:
    """Return the user of this name or alias.

    Raises:
        OperationError: there is none.
    """
    pool, user_pools = deployment.output(Output.USER_POOL_ID), deployment.aws.user_pools
    found = read_user(user_pools, pool, name)
    if found is None:
        raise not_done(
            f"There is no user {name} in user pool {pool}.",
            resource=name,
            fix=f"aws cognito-idp list-users --user-pool-id {pool}",
        )
    return found


def groups(deployment: Deployment, user: PoolUser) -> list[str]:
    """Return the names of the user's groups."""
    pages = deployment.aws.user_pools.get_paginator("admin_list_groups_for_user").paginate(
        UserPoolId=deployment.output(Output.USER_POOL_ID), Username=user.name
    )
    return [group["GroupName"] for page in pages for group in page["Groups"]]


def check_can_sign_in(deployment: Deployment, user: PoolUser) -> None:
    """Check that the trigger can sign this user in by proof.

    Raises:
        OperationError: it cannot.
    """
    who = f"--user-pool-id {deployment.output(Output.USER_POOL_ID)} --username {shlex.quote(user.name)}"
    if not user.enabled:
        raise not_done(
            f"User {user.name} is disabled and cannot sign in.",
            resource=user.name,
            fix=f"aws cognito-idp admin-enable-user {who}",
        )
    blockers = {
        "UNCONFIRMED": ("has not confirmed the sign-up", f"aws cognito-idp admin-confirm-sign-up {who}"),
        "FORCE_CHANGE_PASSWORD": (
            "still has a temporary password",
            "Nothing needs to be done: the first sign-in, with a password of the user's own, attaches.",
        ),
        "RESET_REQUIRED": (
            "must reset the password first",
            "Nothing needs to be done: the next sign-in after the reset attaches.",
        ),
        "EXTERNAL_PROVIDER": (
            "comes from another identity provider, so nobody can sign the user in but that provider",
            "Give an ID token of the user's: pubsub attach --id-token FILE",
        ),
    }
    if blocker := blockers.get(user.status):
        what, fix = blocker
        raise not_done(f"User {user.name} {what} ({user.status}).", resource=user.name, fix=fix)
