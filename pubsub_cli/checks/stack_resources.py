"""What the stack has made, by CloudFormation's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pubsub_cli.checks.context import Context

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef


def stack_resources(context: Context, resource_type: str) -> list[StackResourceSummaryTypeDef]:
    """Return the stack's resources of a type.

    Raises:
        botocore.exceptions.ClientError: they may not be listed.
    """
    return [each for each in context.resources if each["ResourceType"] == resource_type]


def functions_by_logical_id(context: Context) -> dict[str, str]:
    """Return the name of each of the stack's functions, by its logical id.

    Raises:
        botocore.exceptions.ClientError: they may not be listed.
    """
    functions = stack_resources(context, "AWS::Lambda::Function")
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in functions}


def named(context: Context, resource_type: str, part: str) -> str | None:
    """Return the physical id of the stack's resource of a type whose logical id holds a part; None if there is none.

    Raises:
        botocore.exceptions.ClientError: the resources may not be listed.
    """
    found = (each for each in stack_resources(context, resource_type) if part in each["LogicalResourceId"])
    return next((each["PhysicalResourceId"] for each in found), None)
