"""The stack's resources: their physical ids and ARNs, and who may invoke its functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pubsub_cli.checks.context import Context
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef

RESTORE = (
    "Restore it from the template: cdk deploy --revert-drift. Without that option, `cdk deploy` does not see what was "
    "deleted."
)
"""CloudFormation then compares the template with the resources themselves, not with the previous template.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html"""


class StackResource(NamedTuple):
    """A resource that the checks look for: its type, and a part of its logical id."""

    type: str
    construct_id: str


MAC_KEY = StackResource("AWS::KMS::Key", "MacKey")
PAUSE_FLAG = StackResource("AWS::SSM::Parameter", "AttachmentPause")
SIGN_IN_CONFIGURATION = StackResource("AWS::SSM::Parameter", "SignInAttachmentConfiguration")
INTERNAL_CLIENT = StackResource("AWS::Cognito::UserPoolClient", "InternalClient")
SELF_ATTACH_API = StackResource("AWS::ApiGatewayV2::Api", "SelfAttachApi")
SWEEP_SCHEDULE = StackResource("AWS::Events::Rule", "SweepSchedule")
SWEEP_SCHEDULE_ROLE = StackResource("AWS::IAM::Role", "SweepStarter")
BOUNDARY = StackResource("AWS::IAM::ManagedPolicy", "SignedInBoundary")
RESOURCES = (
    MAC_KEY,
    PAUSE_FLAG,
    SIGN_IN_CONFIGURATION,
    INTERNAL_CLIENT,
    SELF_ATTACH_API,
    SWEEP_SCHEDULE,
    SWEEP_SCHEDULE_ROLE,
    BOUNDARY,
)
"""The resources that the checks find in every stack; a test of the stack compares them with its template."""
DRIFT_SCHEDULE = StackResource("AWS::Events::Rule", "DriftDetectorSchedule")
"""Only in stacks that adopt pools."""
CONTROL_PLANE_DENY = StackResource("AWS::IAM::ManagedPolicy", "ControlPlaneDeny")
"""Only in stacks that adopt an identity pool, instead of the boundary."""


def stack_resources(context: Context, resource_type: str) -> list[StackResourceSummaryTypeDef]:
    """Return the stack's resources of a type.

    Raises:
        botocore.exceptions.ClientError: ListStackResources failed.
    """
    return [each for each in context.resources if each["ResourceType"] == resource_type]


def find_resource(context: Context, resource: StackResource) -> str | None:
    """Return the physical id of one of the stack's resources; None if the stack does not have it.

    Raises:
        botocore.exceptions.ClientError: ListStackResources failed.
    """
    resources = stack_resources(context, resource.type)
    found = (each for each in resources if resource.construct_id in each["LogicalResourceId"])
    return next((each["PhysicalResourceId"] for each in found), None)


def template_properties(context: Context, physical_id: str) -> Mapping[str, Any]:
    """Return the properties of a resource in the stack's template; empty if the stack has no such resource.

    Raises:
        botocore.exceptions.ClientError: ListStackResources or GetTemplate failed.
    """
    logical = (each["LogicalResourceId"] for each in context.resources if each.get("PhysicalResourceId") == physical_id)
    properties: Mapping[str, Any] = context.template["Resources"].get(next(logical, ""), {}).get("Properties", {})
    return properties


def arn_prefix(context: Context, service: str) -> str:
    """Return ``arn:<partition>:<service>:<region>:<account id>`` of the deployment.

    Raises:
        botocore.exceptions.ClientError: the outputs name no account, and GetCallerIdentity failed.
    """
    arn = context.outputs.get(Output.AUTH_ROLE_ARN) or context.aws.sts.get_caller_identity()["Arn"]
    _, partition, _, _, account, _ = arn.split(":", 5)
    return f"arn:{partition}:{service}:{context.output(Output.REGION)}:{account}"


def allows_service(policy: Mapping[str, Any], service: str, source_arn: str) -> bool:
    """Return whether a function's resource-based policy lets a service invoke it for a resource.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    return any(_allows(statement, service, source_arn) for statement in policy["Statement"])


def _allows(statement: Mapping[str, Any], service: str, source_arn: str) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service") if isinstance(principal, dict) else principal
    conditions = statement.get("Condition", {})
    sources = [value for test in conditions.values() for key, value in test.items() if key.lower() == "aws:sourcearn"]
    return (
        statement["Effect"] == "Allow"
        and service in (services if isinstance(services, list) else [services])
        and all(fnmatch.fnmatchcase(source_arn, source) for source in sources)
    )
