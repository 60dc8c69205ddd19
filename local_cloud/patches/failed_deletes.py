"""What a resource depends on stays when CloudFormation fails to delete that resource, for the next attempt needs it.

ministack goes on and deletes the dependencies.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-delete-stack.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-dependson.html
"""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

NEEDS = {
    cloudformation: ("_stacks",),
    handlers: ("_delete_stack_async",),
    stacks: ("_delete_stack_async", "_delete_resource", "_with_dependencies"),
}

Resources = dict[str, Any]

_KEPT: ContextVar[Resources | None] = ContextVar("kept", default=None)
"""What the stack that is being deleted keeps, by logical id; None while none is, or all of it is forced."""


def install() -> None:
    """Take dependencies of what fails out of the stack while the rest is deleted, and put them back."""
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
