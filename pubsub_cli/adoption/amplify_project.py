"""The pools of an Amplify project, found in its parent stack and those nested in it, of Gen 1 or Gen 2.

Gen 1: https://docs.amplify.aws/gen1/javascript/tools/cli/reference/ssm-parameter-store/ names its parent stack
``amplify-<service name>-<environment>-<creation timestamp>``; Gen 2's is ``amplify-<app>-<branch>-branch-<hash>``, or
``-sandbox-<hash>``. Their logical ids differ, their resource types do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pubsub_cli.adoption.adopted import Adopted, AdoptionError
from pubsub_cli.aws import Aws

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef

_STACK = "AWS::CloudFormation::Stack"
_USER_POOL, _IDENTITY_POOL = "AWS::Cognito::UserPool", "AWS::Cognito::IdentityPool"
_CLIENT = "AWS::Cognito::UserPoolClient"


def find_project(aws: Aws, stack: str) -> Adopted:
    """Return the pools and app clients of an Amplify project.

    Args:
        aws: the way to AWS.
        stack: the name of its parent stack.

    Raises:
        AdoptionError: there is no such stack, or not one user pool and at most one identity pool in it.
        botocore.exceptions.ClientError: AWS refuses.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for resource in _resources(aws, stack):
        if resource["ResourceStatus"] != "DELETE_COMPLETE" and "PhysicalResourceId" in resource:
            found[resource["ResourceType"]].append(resource["PhysicalResourceId"])
    user_pool = _only(found[_USER_POOL], "user pool", "userPoolId", stack)
    if user_pool is None:
        raise AdoptionError(
            f"stack {stack} and those nested in it have no user pool: is it an Amplify project's parent?"
        )
    return Adopted(
        user_pool_id=user_pool,
        user_pool_client_ids=tuple(found[_CLIENT]),
        identity_pool_id=_only(found[_IDENTITY_POOL], "identity pool", "identityPoolId", stack),
    )


def parent_stacks(aws: Aws) -> list[str]:
    """Return the names of the stacks that look like Amplify projects' parents.

    Raises:
        botocore.exceptions.ClientError: AWS refuses.
    """
    pages = aws.cloudformation.get_paginator("describe_stacks").paginate()
    names = sorted(
        each["StackName"]
        for page in pages
        for each in page["Stacks"]
        if each["StackName"].startswith("amplify-") and not each["StackStatus"].startswith("DELETE")
    )
    # A nested stack's name begins with its parent's.
    return [each for each in names if not any(each.startswith(f"{other}-") for other in names)]


def _resources(aws: Aws, stack: str) -> Iterator[StackResourceSummaryTypeDef]:
    """Yield the resources of a stack and of all nested in it."""
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    try:
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise AdoptionError(
                f"there is no stack {stack} in {aws.region}: look at the name, the region and the profile"
            ) from error
        raise
    for resource in resources:
        yield resource
        if resource["ResourceType"] == _STACK and "PhysicalResourceId" in resource:
            yield from _resources(aws, resource["PhysicalResourceId"])


def _only(ids: list[str], what: str, setting: str, stack: str) -> str | None:
    if len(ids) > 1:
        raise AdoptionError(f"stack {stack} has several {what}s, {', '.join(ids)}: say which as adopt.{setting}")
    return next(iter(ids), None)
