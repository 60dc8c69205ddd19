"""The synthesized template, made once: jsii takes a second to start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Environment
from aws_cdk.assertions import Template as CdkTemplate

from stacks.amplify_pubsub_stack import AmplifyPubSubStack
from stacks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


class Template:
    """A stack's template, with the few questions the tests ask of it."""

    def __init__(self, settings: Settings, region: str | None = None) -> None:
        stack = AmplifyPubSubStack(App(), settings, env=Environment(region=region))
        self.json = dict(CdkTemplate.from_stack(stack).to_json())

    def resources(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the properties of each resource of a type, by logical id."""
        return {
            logical_id: resource["Properties"]
            for logical_id, resource in self.json["Resources"].items()
            if resource["Type"] == resource_type
        }

    def only(self, resource_type: str, matches: Callable[[str], bool] = lambda _id: True) -> dict[str, Any]:
        """Return the properties of the one resource of a type whose logical id matches."""
        (found,) = (each for logical_id, each in self.resources(resource_type).items() if matches(logical_id))
        return found

    def statements_of(self, function: str) -> list[dict[str, Any]]:
        """Return every statement attached to the role of one of our functions, logs aside."""
        role = next(each for each in self.resources("AWS::IAM::Role") if each.startswith(f"{function}Role"))
        policies = [each for each in self.resources("AWS::IAM::Policy").values() if {"Ref": role} in each["Roles"]]
        statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
        return [each for each in statements if each["Action"] != ["logs:CreateLogStream", "logs:PutLogEvents"]]


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(Settings())
