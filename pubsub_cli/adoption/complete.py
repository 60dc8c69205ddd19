"""Completing what is to be adopted with what AWS tells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pubsub_cli.adoption.adopted import Adopted, AdoptionError
from pubsub_cli.adoption.amplify_project import find_project
from pubsub_cli.adoption.identity_pool import read_identity_pool
from pubsub_cli.aws import Aws
from pubsub_cli.checks.sign_in_flows import CUSTOM, allows_managed_login, describe_client, flows, missing_flows

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef


def complete(aws: Aws, given: Adopted, amplify_stack: str | None = None) -> Adopted:
    """Find what is not given; what is given is never overridden.

    Args:
        aws: the way to AWS.
        given: what the settings or options say.
        amplify_stack: an Amplify project's parent stack, if it is to be found there.

    Raises:
        AdoptionError: something is not there, is ambiguous, or does not belong to the rest.
        botocore.exceptions.ClientError: AWS refuses.
    """
    found = given
    if amplify_stack:
        project = find_project(aws, amplify_stack)
        if given.user_pool_id not in (None, project.user_pool_id):
            project = replace(project, user_pool_client_ids=())
        found = given.or_else(project)
    if found.identity_pool_id:
        # Which of the user pool's app clients there are is known better by the pool that takes their tokens.
        asked = replace(found, user_pool_client_ids=given.user_pool_client_ids)
        found = asked.or_else(read_identity_pool(aws, found.identity_pool_id, found.user_pool_id))
    if found.user_pool_id is None:
        raise AdoptionError("nothing to adopt: give an Amplify project's parent stack, a user pool or an identity pool")
    return replace(found, user_pool_client_ids=_clients(aws, found.user_pool_id, found.user_pool_client_ids, given))


def _clients(aws: Aws, user_pool_id: str, client_ids: tuple[str, ...], given: Adopted) -> tuple[str, ...]:
    """Return the app clients, the one that a front end signs in with best first unless the order was given."""
    try:
        known = client_ids or tuple(_all_clients(aws, user_pool_id))
        described = {each: describe_client(aws, user_pool_id, each) for each in known}
    except aws.user_pools.exceptions.ResourceNotFoundException:
        raise AdoptionError(
            f"there is no user pool {user_pool_id} in {aws.region}: look at adopt.userPoolId, region and profile"
        ) from None
    if gone := [each for each, client in described.items() if client is None]:
        raise AdoptionError(f"user pool {user_pool_id} has no app client {gone[0]}: look at adopt.userPoolClientIds")
    if given.user_pool_client_ids:
        return given.user_pool_client_ids
    # Nobody signs in with one that allows custom challenges alone: it is that of a internal sign-in of ours.
    clients = [client for client in described.values() if client and flows(client) != {CUSTOM}]
    if not clients:
        raise AdoptionError(f"user pool {user_pool_id} has no app client: nobody signs in to it")
    return tuple(each["ClientId"] for each in sorted(clients, key=_as_front_end))


def _all_clients(aws: Aws, user_pool_id: str) -> list[str]:
    pages = aws.user_pools.get_paginator("list_user_pool_clients").paginate(UserPoolId=user_pool_id)
    return [each["ClientId"] for page in pages for each in page["UserPoolClients"]]


def _as_front_end(client: UserPoolClientTypeTypeDef) -> tuple[bool, int, bool]:
    """Return how far an app client is from one that Amplify signs in with: without a secret, by SRP."""
    return "ClientSecret" in client, len(missing_flows(client)), allows_managed_login(client)
