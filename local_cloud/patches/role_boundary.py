"""CloudFormation gives a role the permissions boundary that its template names.

ministack's CloudFormation leaves the property out, although its IAM enforces boundaries.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners

NEEDS = {iam: ("_roles",), provisioners: ("_RESOURCE_HANDLERS",)}

_TYPE = "AWS::IAM::Role"


def install() -> None:
    """Set the boundary whenever ministack has made or changed a role."""
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
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

    provisioners._RESOURCE_HANDLERS[_TYPE] = handlers | {
        "create": create_with_boundary,
        "update": update_with_boundary,
    }


def _set_boundary(role_name: str, properties: dict[str, Any]) -> None:
    iam._roles[role_name]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
