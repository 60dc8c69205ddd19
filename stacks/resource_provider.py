"""CDK's provider framework around our custom resource functions."""

from __future__ import annotations

from typing import cast

from aws_cdk import ArnFormat, CfnElement, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import custom_resources as cr
from constructs import Construct, IConstruct

from .acknowledgements import acknowledge
from .functions import function_log_group, log_writer_role
from .settings import Settings

CUSTOM_RESOURCE_TIMEOUT = Duration.minutes(3)
"""Of a function that waits for its permissions, a minute and more (lambdas/iam_propagation.py), and then works."""

_DESCRIPTION = "CDK's provider framework around a custom resource"


def resource_provider(scope: Construct, settings: Settings, *, on_event: lambda_.Function) -> cr.Provider:
    """Wrap the function of a custom resource that is done when the function returns."""
    log_group = function_log_group(scope, "ProviderLogs", settings)
    role = log_writer_role(scope, "ProviderRole", log_group, _DESCRIPTION)
    provider = cr.Provider(
        scope, "Provider", on_event_handler=on_event, log_group=log_group, framework_on_event_role=role
    )
    _acknowledge_invoking([role], [on_event])
    return provider


def waiting_resource_provider(
    scope: Construct, settings: Settings, *, on_event: lambda_.Function, is_complete: lambda_.Function
) -> cr.Provider:
    """Wrap the functions of a custom resource that may take the framework's longest, an hour."""
    log_group = function_log_group(scope, "ProviderLogs", settings)
    role = log_writer_role(scope, "ProviderRole", log_group, _DESCRIPTION)
    waiting_role = log_writer_role(scope, "ProviderWaitingRole", log_group, _DESCRIPTION)
    provider = cr.Provider(
        scope,
        "Provider",
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        log_group=log_group,
        framework_on_event_role=role,
        framework_complete_and_timeout_role=waiting_role,
        query_interval=Duration.seconds(5),
        total_timeout=Duration.hours(1),
        disable_waiter_state_machine_logging=True,
    )
    # CDK's construct takes no principal for the role of its state machine, whose name CloudFormation chooses.
    waiter_role = provider.node.find_child("waiter-state-machine").node.find_child("Role").node.default_child
    machines = Stack.of(scope).format_arn(
        service="states", resource="stateMachine", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    cast("iam.CfnRole", waiter_role).add_property_override(
        "AssumeRolePolicyDocument.Statement.0.Condition",
        {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}, "ArnLike": {"aws:SourceArn": machines}},
    )
    framework = [provider.node.find_child(name) for name in ("framework-isComplete", "framework-onTimeout")]
    _acknowledge_invoking([role, waiting_role, provider], [on_event, is_complete, *framework])
    acknowledge(
        provider,
        {
            "AwsSolutions-SF1": "The framework's waiter only asks a function again, and that function logs.",
            "AwsSolutions-SF2": "The framework's waiter only asks a function again; there is nothing to trace.",
        },
    )
    return provider


def _acknowledge_invoking(invokers: list[IConstruct], functions: list[IConstruct]) -> None:
    """Acknowledge that CDK lets the framework invoke every version of the functions it was given."""
    names = [Stack.of(each).get_logical_id(cast("CfnElement", each.node.default_child)) for each in functions]
    reason = "Any version of one function whose name is whole."
    for invoker in invokers:
        acknowledge(invoker, {f"AwsSolutions-IAM5[Resource::<{name}.Arn>:*]": reason for name in names})
