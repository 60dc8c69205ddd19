"""CDK's provider framework around our custom resource functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, Stack
from aws_cdk import custom_resources as cr

from stacks.acknowledgements import acknowledge
from stacks.functions import function_log_group

if TYPE_CHECKING:
    from aws_cdk import CfnElement
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct, IConstruct

    from stacks.settings import Settings


def resource_provider(
    scope: Construct,
    settings: Settings,
    *,
    on_event: lambda_.Function,
    is_complete: lambda_.Function | None = None,
) -> cr.Provider:
    """Wrap the functions of a custom resource; with ``is_complete`` it may take the framework's longest, an hour."""
    log_group = function_log_group(scope, "ProviderLogs", settings)
    if is_complete is None:
        provider = cr.Provider(scope, "Provider", on_event_handler=on_event, log_group=log_group)
        _acknowledge_framework(provider, [on_event])
        return provider
    provider = cr.Provider(
        scope,
        "Provider",
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        log_group=log_group,
        query_interval=Duration.seconds(5),
        total_timeout=Duration.hours(1),
        disable_waiter_state_machine_logging=True,
    )
    framework = [provider.node.find_child(name) for name in ("framework-isComplete", "framework-onTimeout")]
    _acknowledge_framework(provider, [on_event, is_complete, *framework])
    return provider


def _acknowledge_framework(provider: cr.Provider, invoked: list[IConstruct]) -> None:
    """Acknowledge what CDK's framework brings along and offers no setting for."""
    logical_ids = [
        Stack.of(provider).get_logical_id(cast("CfnElement", each.node.default_child)) for each in invoked
    ]
    acknowledge(
        provider,
        {
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]": (
                "The framework's functions may write logs, by AWS's own policy for that."
            ),
            "AwsSolutions-SF1": "The framework's waiter only asks a function again, and that function logs.",
            "AwsSolutions-SF2": "The framework's waiter only asks a function again; there is nothing to trace.",
        }
        | {
            f"AwsSolutions-IAM5[Resource::<{logical_id}.Arn>:*]": "Any version of this one function; the name is whole."
            for logical_id in logical_ids
        },
    )
