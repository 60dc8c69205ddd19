"""What an identity pool tells: whose tokens it takes, and which roles it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pubsub_cli.adoption.adopted import Adopted, AdoptionError
from pubsub_cli.aws import Aws
from pubsub_cli.checks.roles_in_use import groups_with_role


def read_identity_pool(aws: Aws, identity_pool_id: str, user_pool_id: str | None) -> Adopted:
    """Return the user pool and app clients whose tokens an identity pool takes, and the roles it gives for them.

    Args:
        aws: the way to AWS.
        identity_pool_id: the identity pool.
        user_pool_id: the user pool, if that is known.

    Raises:
        AdoptionError: there is no such pool; it takes tokens of no user pool, of several, or not of that one; or it has
            no role for signed-in users.
        botocore.exceptions.ClientError: AWS refuses.
    """
    name = f"identity pool {identity_pool_id}"
    try:
        pool = aws.identity_pools.describe_identity_pool(IdentityPoolId=identity_pool_id)
    except aws.identity_pools.exceptions.ResourceNotFoundException:
        raise AdoptionError(f"there is no {name} in {aws.region}: look at adopt.identityPoolId") from None
    providers = [
        (each["ProviderName"].rpartition("/")[2], each["ClientId"]) for each in pool.get("CognitoIdentityProviders", [])
    ]
    user_pools = sorted({user_pool for user_pool, _ in providers})
    if user_pool_id is None:
        if len(user_pools) != 1:
            raise AdoptionError(
                f"{name} takes tokens of several user pools, {', '.join(user_pools)}: say which as adopt.userPoolId"
                if user_pools
                else f"{name} takes tokens of no user pool: add one to its providers, and adopt it then"
            )
        (user_pool_id,) = user_pools
    elif user_pool_id not in user_pools:
        raise AdoptionError(
            f"{name} does not take tokens of user pool {user_pool_id}, but of {', '.join(user_pools) or 'none'}: "
            "they do not belong together"
        )
    clients = tuple(client for user_pool, client in providers if user_pool == user_pool_id)
    answer = aws.identity_pools.get_identity_pool_roles(IdentityPoolId=identity_pool_id)
    auth_role = answer.get("Roles", {}).get("authenticated")
    if auth_role is None:
        raise AdoptionError(f"{name} has no role for signed-in users: set one, and adopt it then")
    mapped = _mapped_roles(aws, user_pool_id, answer.get("RoleMappings", {}))
    others = tuple(dict.fromkeys(each for each in mapped if each != auth_role))
    return Adopted(user_pool_id, clients, identity_pool_id, auth_role, others)


def _mapped_roles(aws: Aws, user_pool_id: str, mappings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the roles that the mappings of a user pool's tokens can give: of groups, of rules."""
    ours = [each for name, each in mappings.items() if name.rpartition("/")[2].partition(":")[0] == user_pool_id]
    if any(each["Type"] == "Token" for each in ours):
        yield from (group["RoleArn"] for group in groups_with_role(aws, user_pool_id))
    for mapping in ours:
        yield from (rule["RoleARN"] for rule in mapping.get("RulesConfiguration", {}).get("Rules", []))
