"""CDK's provider framework around our custom resource functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import custom_resources as cr

from stacks.functions import function_log_group

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

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
        return cr.Provider(scope, "Provider", on_event_handler=on_event, log_group=log_group)
    return cr.Provider(
        scope,
        "Provider",
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        log_group=log_group,
        query_interval=Duration.seconds(5),
        total_timeout=Duration.hours(1),
        disable_waiter_state_machine_logging=True,
    )
