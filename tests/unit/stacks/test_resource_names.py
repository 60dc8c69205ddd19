"""The doctor finds the stack's resources by names that the template contains."""

from __future__ import annotations

from pubsub_cli.checks.stack import CONTROL_PLANE_DENY, DRIFT_SCHEDULE, RESOURCES, Function
from tests.unit.stacks.conftest import Template


def test_template_contains_the_resources_that_the_doctor_looks_for(
    template: Template, everything: Template, at_sign_in: Template
) -> None:
    wanted = [(template, each) for each in RESOURCES]
    wanted += [(at_sign_in, DRIFT_SCHEDULE), (everything, CONTROL_PLANE_DENY)]
    for made, resource in wanted:
        found = [each for each in made.resources(resource.type) if resource.construct_id in each]
        assert found, resource.construct_id


def test_template_contains_the_functions_that_the_doctor_looks_for(at_sign_in: Template) -> None:
    functions = at_sign_in.resources("AWS::Lambda::Function").values()
    assert {each.value for each in Function} <= {each.get("Handler") for each in functions}
