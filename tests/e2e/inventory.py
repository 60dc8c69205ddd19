"""What an account holds in a region, asked service by service and not of CloudFormation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local_cloud.process import LocalCloud

# How the resources of each type are listed: service, operation, the list in its answer, what there names one as
# CloudFormation does, and what else the operation is told.
_LISTED: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "AWS::ApiGatewayV2::Api": ("apigatewayv2", "get_apis", "Items", "ApiId", {}),
    "AWS::CloudFormation::Stack": ("cloudformation", "describe_stacks", "Stacks", "StackName", {}),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName", {}),
    "AWS::Cognito::IdentityPool": (
        "cognito-identity", "list_identity_pools", "IdentityPools", "IdentityPoolId", {"MaxResults": 60}
    ),
    "AWS::Cognito::UserPool": ("cognito-idp", "list_user_pools", "UserPools", "Id", {"MaxResults": 60}),
    "AWS::Events::Rule": ("events", "list_rules", "Rules", "Name", {}),
    "AWS::IAM::ManagedPolicy": ("iam", "list_policies", "Policies", "Arn", {"Scope": "Local"}),
    "AWS::IAM::Role": ("iam", "list_roles", "Roles", "RoleName", {}),
    "AWS::IoT::Policy": ("iot", "list_policies", "policies", "policyName", {}),
    "AWS::KMS::Key": ("kms", "list_keys", "Keys", "KeyId", {}),
    "AWS::Lambda::EventSourceMapping": ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID", {}),
    "AWS::Lambda::Function": ("lambda", "list_functions", "Functions", "FunctionName", {}),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
    "AWS::SQS::Queue": ("sqs", "list_queues", "QueueUrls", "", {}),
    "AWS::SSM::Parameter": ("ssm", "describe_parameters", "Parameters", "Name", {}),
    "AWS::StepFunctions::StateMachine": (
        "stepfunctions", "list_state_machines", "stateMachines", "stateMachineArn", {}
    ),
}  # fmt: skip

PARTS = {
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CDK::Metadata",
    "AWS::Cognito::IdentityPoolRoleAttachment",
    "AWS::Cognito::UserPoolClient",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::SQS::QueuePolicy",
}
"""Types of resources that are inside others and go with them, or are nothing outside the template."""


def inventory(cloud: LocalCloud) -> set[tuple[str, str]]:
    """Return type and id of everything there is."""
    return {(kind, name) for kind in _LISTED for name in _names(cloud, kind)}


def resources_of(cloud: LocalCloud, stack: str) -> set[tuple[str, str]]:
    """Return type and id of a stack's resources, less the parts of others and the custom ones."""
    pages = cloud.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [
        (each["ResourceType"], each["PhysicalResourceId"]) for page in pages for each in page["StackResourceSummaries"]
    ]
    return {
        (kind, _without_host(kind, name))
        for kind, name in found
        if kind not in PARTS and not kind.startswith("Custom::")
    }


def _names(cloud: LocalCloud, kind: str) -> Iterator[str]:
    service, operation, members, key, told = _LISTED[kind]
    client = cloud.client(service)
    pages = (
        client.get_paginator(operation).paginate(**told)
        if client.can_paginate(operation)
        else [getattr(client, operation)(**told)]
    )
    for page in pages:
        for each in page.get(members, []):
            if _is_there(client, kind, each):
                yield _without_host(kind, each[key] if key else each)


def _is_there(client: Any, kind: str, each: Any) -> bool:
    """Tell whether it counts: CloudFormation lists deleted stacks too, and KMS keys that are to be deleted."""
    if kind == "AWS::KMS::Key":
        state = client.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"]
        return bool(state != "PendingDeletion")
    return kind != "AWS::CloudFormation::Stack" or each["StackStatus"] != "DELETE_COMPLETE"


def _without_host(kind: str, name: str) -> str:
    """Return a queue's name from its address, which SQS and CloudFormation give with another host."""
    return name.rpartition("/")[2] if kind == "AWS::SQS::Queue" else name
