"""The doctor finds the stack's resources by names that the template contains."""

from __future__ import annotations

import pytest

from pubsub_cli.checks.stack import CONTROL_PLANE_DENY, DRIFT_SCHEDULE, RESOURCES, Function, StackResource
from stacks.settings import Settings
from tests.unit.stacks.conftest import Template

ADOPTED = {"attachment": "sign-in", "adopt": {"userPoolId": "eu-west-1_abc", "userPoolClientIds": ["abc"]}}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.construct_id)
def test_resource_of_every_stack_has_its_name_in_the_template(resource: StackResource) -> None:
    logical_ids = Template(Settings()).resources(resource.type)
    assert [each for each in logical_ids if resource.construct_id in each]


@pytest.mark.parametrize(
    ("settings", "resource"),
    [(ADOPTED, DRIFT_SCHEDULE), ({"permissionsBoundary": "Developers"}, CONTROL_PLANE_DENY)],
    ids=lambda each: getattr(each, "construct_id", ""),
)
def test_resource_of_some_stacks_has_its_name(settings: dict[str, object], resource: StackResource) -> None:
    logical_ids = Template(Settings.model_validate(settings)).resources(resource.type)
    assert [each for each in logical_ids if resource.construct_id in each]


def test_functions_have_their_handlers_in_the_template() -> None:
    functions = Template(Settings.model_validate(ADOPTED)).resources("AWS::Lambda::Function").values()
    assert {each.value for each in Function} <= {each.get("Handler") for each in functions}
