"""CloudFormation creates, updates and deletes resources as AWS does."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from typing import Any

from ministack.services import cloudformation, iam, lambda_svc
from ministack.services.cloudformation import handlers, provisioners, stacks


def install() -> None:
    """Install each part."""
    _set_role_boundaries()
    _complete_function_updates()
    _keep_user_pool_attributes()
    _make_metric_math_alarms()
    _keep_dependencies_of_failed_deletes()


_ROLE = "AWS::IAM::Role"


def _set_role_boundaries() -> None:
    """Set the permissions boundary of a role when CloudFormation creates or updates it.

    ministack's CloudFormation ignores the property, although its IAM enforces boundaries.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
    """
    handlers = provisioners._RESOURCE_HANDLERS[_ROLE]
    create, update = handlers["create"], handlers["update"]

    def create_with_boundary(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, properties, stack_name)
        _set_boundary(name, properties)
        return name, attributes

    def update_with_boundary(
        physical_id: str, before: dict[str, Any], properties: dict[str, Any], *scope: Any, **named: Any
    ) -> Any:
        name, attributes = update(physical_id, before, properties, *scope, **named)
        _set_boundary(name, properties)
        return name, attributes

    provisioners._RESOURCE_HANDLERS[_ROLE] = handlers | {
        "create": create_with_boundary,
        "update": update_with_boundary,
    }


def _set_boundary(role_name: str, properties: dict[str, Any]) -> None:
    iam._roles[role_name]["PermissionsBoundary"] = properties.get("PermissionsBoundary")


_FUNCTION = "AWS::Lambda::Function"
_ACTIVE = {"State": "Active", "StateReason": "", "StateReasonCode": "", "LastUpdateStatus": "Successful"}


def _complete_function_updates() -> None:
    """Complete the update of a function before the update of its stack.

    ministack's CloudFormation leaves the function Pending for half a second.
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    handlers = provisioners._RESOURCE_HANDLERS[_FUNCTION]
    update = handlers["update"]

    def update_until_active(*request: Any, **named: Any) -> Any:
        name, attributes = update(*request, **named)
        lambda_svc._functions[name]["config"].update(_ACTIVE)
        return name, attributes

    provisioners._RESOURCE_HANDLERS[_FUNCTION] = handlers | {"update": update_until_active}


_USER_POOL = "AWS::Cognito::UserPool"


def _keep_user_pool_attributes() -> None:
    """Reject the update of a stack that removes an attribute from a user pool's schema. ministack ignores it.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
    https://github.com/hashicorp/terraform-provider-aws/issues/21654
    """
    handlers = provisioners._RESOURCE_HANDLERS[_USER_POOL]
    update = handlers["update"]

    def update_with_every_attribute(
        physical_id: str, before: dict[str, Any], properties: dict[str, Any], *scope: Any, **named: Any
    ) -> Any:
        now = properties.get("Schema", [])
        if any(attribute not in now for attribute in before.get("Schema", [])):
            raise ValueError("Invalid request provided: Existing schema attributes cannot be modified or deleted.")
        return update(physical_id, before, properties, *scope, **named)

    provisioners._RESOURCE_HANDLERS[_USER_POOL] = handlers | {"update": update_with_every_attribute}


_OF_ONE_METRIC = ("Dimensions", "ExtendedStatistic", "MetricName", "Namespace", "Period", "Statistic", "Unit")


def _make_metric_math_alarms() -> None:
    """Create alarms on metric math, which ministack's CloudFormation rejects. They are not evaluated.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
    """
    record = provisioners._cw_metric_alarm_record

    def record_with_queries(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        queries = properties.get("Metrics")
        if not queries:
            return dict(record(name, properties))
        some_metric = {"Metrics": None, "MetricName": "none", "Namespace": "none"}
        alarm = record(name, properties | some_metric)
        common = {key: value for key, value in alarm.items() if key not in _OF_ONE_METRIC}
        return common | {"Dimensions": [], "Metrics": queries}

    provisioners._cw_metric_alarm_record = record_with_queries


Resources = dict[str, Any]

_KEPT: ContextVar[Resources | None] = ContextVar("kept", default=None)
"""The resources that the current deletion of a stack keeps, by logical id; None outside one or if it is forced."""


def _keep_dependencies_of_failed_deletes() -> None:
    """Keep the dependencies of a resource that CloudFormation fails to delete. ministack deletes them.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-delete-stack.html
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-dependson.html
    """
    delete_stack, delete_resource = stacks._delete_stack_async, stacks._delete_resource

    async def delete_stack_async(
        stack_name: str, stack_id: str, retain_resources: Collection[str] = (), force: bool = False
    ) -> None:
        kept: Resources = {}
        token = _KEPT.set(None if force else kept)
        try:
            await delete_stack(stack_name, stack_id, retain_resources, force)
        finally:
            _KEPT.reset(token)
        if kept:
            cloudformation._stacks[stack_name]["_resources"].update(kept)

    def delete_or_keep(
        kind: str, physical_id: str, properties: Any, stack_name: str | None = None, logical_id: str | None = None
    ) -> None:
        try:
            delete_resource(kind, physical_id, properties, stack_name, logical_id)
        except Exception:
            kept = _KEPT.get()
            if kept is not None:
                kept |= _take_dependencies(cloudformation._stacks[stack_name], logical_id)
            raise

    stacks._delete_stack_async = handlers._delete_stack_async = delete_stack_async
    stacks._delete_resource = delete_or_keep


def _take_dependencies(stack: dict[str, Any], logical_id: str | None) -> Resources:
    resources: Resources = stack["_resources"]
    definitions = stack["_template"]["Resources"]
    dependencies = stacks._with_dependencies([logical_id], definitions, set(resources)) - {logical_id}
    return {each: resources.pop(each) for each in dependencies}
