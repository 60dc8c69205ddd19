"""Finds existing pools, app clients and roles to adopt, by an Amplify project's stack, a user pool or an identity pool.

Amplify Gen 1 names a project's parent stack ``amplify-<service name>-<environment>-<creation timestamp>``
(https://docs.amplify.aws/gen1/javascript/tools/cli/reference/ssm-parameter-store/), Gen 2 ``amplify-<app>-<branch>-
branch-<hash>`` or ``-sandbox-<hash>``. Their logical ids differ; their resource types do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pubsub_cli.aws import Aws
from pubsub_cli.checks.app_clients import CUSTOM, allows_managed_login, describe_client, flows, missing_flows
from pubsub_cli.checks.role_mapping import groups_with_role
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef, StackTypeDef
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef

_STACK = "AWS::CloudFormation::Stack"
_USER_POOL, _IDENTITY_POOL = "AWS::Cognito::UserPool", "AWS::Cognito::IdentityPool"
_CLIENT = "AWS::Cognito::UserPoolClient"
_PAGE = 60
"""https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentityPools.html"""


@dataclass(frozen=True)
class Adopted:
    """The pools, app clients and roles to adopt; some may be unknown.

    Args:
        user_pool_id: the user pool.
        user_pool_client_ids: its app clients, the front end's first.
        identity_pool_id: the identity pool.
        auth_role_arn: its role for signed-in users.
        group_role_arns: its other roles for signed-in users.
    """

    user_pool_id: str | None = None
    user_pool_client_ids: tuple[str, ...] = ()
    identity_pool_id: str | None = None
    auth_role_arn: str | None = None
    group_role_arns: tuple[str, ...] = ()

    def or_else(self, found: Adopted) -> Adopted:
        """Return this with missing parts from ``found``; without its group roles if the role is given here."""
        return Adopted(
            self.user_pool_id or found.user_pool_id,
            self.user_pool_client_ids or found.user_pool_client_ids,
            self.identity_pool_id or found.identity_pool_id,
            self.auth_role_arn or found.auth_role_arn,
            self.group_role_arns if self.auth_role_arn else self.group_role_arns or found.group_role_arns,
        )

    @property
    def role_arns(self) -> tuple[str, ...]:
        """All roles that signed-in users can get."""
        return (*((self.auth_role_arn,) if self.auth_role_arn else ()), *self.group_role_arns)


def find_adopted(
    aws: Aws, given: Adopted, amplify_stack: str | None = None, front_end_client_id: str | None = None
) -> Adopted:
    """Find the ids that are not given.

    Args:
        aws: the operator's clients.
        given: the ids from the options.
        amplify_stack: the parent stack of an Amplify project.
        front_end_client_id: the app client that becomes the first, if it is known.

    Raises:
        PreconditionError: something does not exist, is ambiguous, or does not match the rest.
    """
    found = given
    if amplify_stack:
        project = _find_project(aws, amplify_stack)
        if given.user_pool_id not in (None, project.user_pool_id):
            project = replace(project, user_pool_client_ids=())
        found = given.or_else(project)
    if found.identity_pool_id:
        # Use only the app clients whose tokens the identity pool accepts.
        incomplete = replace(found, user_pool_client_ids=given.user_pool_client_ids)
        found = incomplete.or_else(_read_identity_pool(aws, found.identity_pool_id, found.user_pool_id))
    if found.user_pool_id is None:
        raise PreconditionError(
            "nothing to adopt: give an Amplify project's parent stack, a user pool or an identity pool"
        )
    clients = _clients(aws, found.user_pool_id, found.user_pool_client_ids, given)
    if front_end_client_id is not None:
        if front_end_client_id not in clients:
            raise PreconditionError(
                f"the front end's app client {front_end_client_id} is not one of {', '.join(clients)}, which user pool "
                f"{found.user_pool_id} has and the identity pool accepts: check the pools in the configuration file"
            )
        clients = tuple(sorted(clients, key=lambda each: each != front_end_client_id))
    return replace(found, user_pool_client_ids=clients)


def _clients(aws: Aws, user_pool_id: str, client_ids: tuple[str, ...], given: Adopted) -> tuple[str, ...]:
    """Return the app clients; unless they are given, the most suitable for a front end comes first."""
    try:
        known = client_ids or tuple(_all_clients(aws, user_pool_id))
        described = {each: describe_client(aws, user_pool_id, each) for each in known}
    except aws.user_pools.exceptions.ResourceNotFoundException:
        raise PreconditionError(
            f"there is no user pool {user_pool_id} in {aws.region}: check the user pool id, region and profile"
        ) from None
    if missing := [each for each, client in described.items() if client is None]:
        raise PreconditionError(f"user pool {user_pool_id} has no app client {missing[0]}: check the app client ids")
    if given.user_pool_client_ids:
        return given.user_pool_client_ids
    # An app client with only the custom flow is the internal app client of a deployment.
    clients = [client for client in described.values() if client and flows(client) != {CUSTOM}]
    if not clients:
        raise PreconditionError(f"user pool {user_pool_id} has no app client, so users cannot sign in")
    return tuple(each["ClientId"] for each in sorted(clients, key=_as_front_end))


def _all_clients(aws: Aws, user_pool_id: str) -> list[str]:
    pages = aws.user_pools.get_paginator("list_user_pool_clients").paginate(UserPoolId=user_pool_id)
    return [each["ClientId"] for page in pages for each in page["UserPoolClients"]]


def _as_front_end(client: UserPoolClientTypeTypeDef) -> tuple[bool, int, bool]:
    """Return a sort key: clients without a secret and with SRP come first, as Amplify needs them."""
    return "ClientSecret" in client, len(missing_flows(client)), allows_managed_login(client)


def _read_identity_pool(aws: Aws, identity_pool_id: str, user_pool_id: str | None) -> Adopted:
    """Return the user pool and app clients of an identity pool, and its roles for them."""
    name = f"identity pool {identity_pool_id}"
    try:
        pool = aws.identity_pools.describe_identity_pool(IdentityPoolId=identity_pool_id)
    except aws.identity_pools.exceptions.ResourceNotFoundException:
        raise PreconditionError(f"there is no {name} in {aws.region}: check the id, region and profile") from None
    providers = [
        (each["ProviderName"].rpartition("/")[2], each["ClientId"]) for each in pool.get("CognitoIdentityProviders", [])
    ]
    user_pools = sorted({user_pool for user_pool, _ in providers})
    if user_pool_id is None:
        if len(user_pools) != 1:
            raise PreconditionError(
                f"{name} accepts tokens of several user pools, {', '.join(user_pools)}: select one with --user-pool-id"
                if user_pools
                else f"{name} accepts tokens of no user pool: add one to its providers, then adopt it"
            )
        (user_pool_id,) = user_pools
    elif user_pool_id not in user_pools:
        raise PreconditionError(
            f"{name} accepts tokens of {', '.join(user_pools) or 'no user pool'}, but not of user pool {user_pool_id}: "
            "adopt pools that belong together"
        )
    clients = tuple(client for user_pool, client in providers if user_pool == user_pool_id)
    answer = aws.identity_pools.get_identity_pool_roles(IdentityPoolId=identity_pool_id)
    auth_role = answer.get("Roles", {}).get("authenticated")
    if auth_role is None:
        raise PreconditionError(f"{name} has no role for signed-in users: set one, then adopt it")
    mapped = _mapped_roles(aws, user_pool_id, answer.get("RoleMappings", {}))
    others = tuple(dict.fromkeys(each for each in mapped if each != auth_role))
    return Adopted(user_pool_id, clients, identity_pool_id, auth_role, others)


def _mapped_roles(aws: Aws, user_pool_id: str, mappings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the roles of the user pool's groups and of the identity pool's rules."""
    ours = [each for name, each in mappings.items() if name.rpartition("/")[2].partition(":")[0] == user_pool_id]
    if any(each["Type"] == "Token" for each in ours):
        yield from (group["RoleArn"] for group in groups_with_role(aws, user_pool_id))
    for mapping in ours:
        yield from (rule["RoleARN"] for rule in mapping.get("RulesConfiguration", {}).get("Rules", []))


def _find_project(aws: Aws, stack: str) -> Adopted:
    """Return the pools and app clients of an Amplify project, by the name of its parent stack."""
    found: dict[str, list[str]] = defaultdict(list)
    for resource in _resources(aws, stack):
        if resource["ResourceStatus"] != "DELETE_COMPLETE" and "PhysicalResourceId" in resource:
            found[resource["ResourceType"]].append(resource["PhysicalResourceId"])
    user_pool = _only(found[_USER_POOL], "user pool", "--user-pool-id", stack)
    if user_pool is None:
        raise PreconditionError(
            f"stack {stack} and its nested stacks have no user pool: is it an Amplify project's parent stack?"
        )
    return Adopted(
        user_pool_id=user_pool,
        user_pool_client_ids=tuple(found[_CLIENT]),
        identity_pool_id=_only(found[_IDENTITY_POOL], "identity pool", "--identity-pool-id", stack),
    )


def parent_stacks(aws: Aws) -> list[str]:
    """Return the names of stacks that are probably parent stacks of Amplify projects."""
    names = sorted(
        each["StackName"]
        for each in _stacks(aws)
        if each["StackName"].startswith("amplify-") and not each["StackStatus"].startswith("DELETE")
    )
    # A nested stack's name begins with its parent's.
    return [each for each in names if not any(each.startswith(f"{other}-") for other in names)]


def pools_of_deployments(aws: Aws) -> dict[str, str]:
    """Return the user pools and identity pools that stacks of this toolkit created, each with its stack."""
    deployments = [
        each["StackName"]
        for each in _stacks(aws)
        if any(output["OutputKey"] == Output.ATTACHMENT_MARKER for output in each.get("Outputs", []))
    ]
    return {
        resource["PhysicalResourceId"]: stack
        for stack in deployments
        for resource in _resources(aws, stack)
        if resource["ResourceType"] in (_USER_POOL, _IDENTITY_POOL) and "PhysicalResourceId" in resource
    }


def _stacks(aws: Aws) -> Iterator[StackTypeDef]:
    pages = aws.cloudformation.get_paginator("describe_stacks").paginate()
    return (each for page in pages for each in page["Stacks"])


def _resources(aws: Aws, stack: str) -> Iterator[StackResourceSummaryTypeDef]:
    """Yield the resources of a stack and of its nested stacks."""
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    try:
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise PreconditionError(
                f"there is no stack {stack} in {aws.region}: check the name, region and profile"
            ) from error
        raise
    for resource in resources:
        yield resource
        if resource["ResourceType"] == _STACK and "PhysicalResourceId" in resource:
            yield from _resources(aws, resource["PhysicalResourceId"])


def _only(ids: list[str], what: str, option: str, stack: str) -> str | None:
    if len(ids) > 1:
        raise PreconditionError(f"stack {stack} has several {what}s, {', '.join(ids)}: select one with {option}")
    return next(iter(ids), None)


@dataclass(frozen=True)
class Candidate:
    """An identity pool that can be adopted."""

    identity_pool_id: str
    name: str
    user_pool_ids: tuple[str, ...]


def candidates(aws: Aws, most: int = 50) -> list[Candidate]:
    """Return the identity pools that accept tokens of a user pool, among the first ``most`` of the region.

    Those that a stack of this toolkit created are omitted.
    """
    deployed = pools_of_deployments(aws)
    pages = aws.identity_pools.get_paginator("list_identity_pools").paginate(PaginationConfig={"PageSize": _PAGE})
    found = []
    for pool in islice((each for page in pages for each in page["IdentityPools"]), most):
        described = aws.identity_pools.describe_identity_pool(IdentityPoolId=pool["IdentityPoolId"])
        providers = described.get("CognitoIdentityProviders", [])
        user_pools = tuple(sorted({each["ProviderName"].rpartition("/")[2] for each in providers}))
        if user_pools and pool["IdentityPoolId"] not in deployed:
            found.append(Candidate(pool["IdentityPoolId"], pool["IdentityPoolName"], user_pools))
    return found
