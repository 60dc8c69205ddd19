"""An attribute of a user pool stays: a stack's update that leaves one out of the template fails.

ministack adds what is new in the template and takes no notice of what is gone.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
https://github.com/hashicorp/terraform-provider-aws/issues/21654
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

NEEDS = {provisioners: ("_RESOURCE_HANDLERS",)}

_TYPE = "AWS::Cognito::UserPool"


def install() -> None:
    """Look at the attributes before ministack changes the pool."""
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    update = handlers["update"]

    def update_with_every_attribute(
        physical_id: str, before: dict[str, Any], properties: dict[str, Any], *scope: Any, **named: Any
    ) -> Any:
        now = properties.get("Schema", [])
        if any(attribute not in now for attribute in before.get("Schema", [])):
            raise ValueError("Invalid request provided: Existing schema attributes cannot be modified or deleted.")
        return update(physical_id, before, properties, *scope, **named)

    provisioners._RESOURCE_HANDLERS[_TYPE] = handlers | {"update": update_with_every_attribute}
