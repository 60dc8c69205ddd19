from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.integration.local_cloud.account import ALLOW_IOT, unique
from tests.integration.local_cloud.state_machine import wait_until

if TYPE_CHECKING:
    from local_cloud.process import LocalCloud

TARGET = "us-east-1:00000000-0000-0000-0000-000000000000"


def parameter(**fields: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "value"}, **fields}


def test_what_a_resource_depends_on_stays_when_its_deletion_fails(cloud: LocalCloud) -> None:
    formation, iot, name = cloud.client("cloudformation"), cloud.client("iot"), unique("stack")
    document = {"Version": "2012-10-17", "Statement": [ALLOW_IOT]}
    template = {
        "Resources": {
            "Far": parameter(),
            "Near": parameter(DependsOn="Far"),
            "Other": parameter(),
            "Policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": {"PolicyName": name, "PolicyDocument": document},
                "DependsOn": "Near",
            },
            "Dependent": parameter(DependsOn="Policy"),
        }
    }

    def status() -> str:
        return str(formation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])

    def resources() -> dict[str, str]:
        listed = formation.describe_stack_resources(StackName=stack_id)["StackResources"]
        return {each["LogicalResourceId"]: each["ResourceStatus"] for each in listed}

    stack_id = formation.create_stack(StackName=name, TemplateBody=json.dumps(template))["StackId"]
    wait_until(lambda: status() == "CREATE_COMPLETE")
    iot.attach_policy(policyName=name, target=TARGET)
    formation.delete_stack(StackName=name)
    wait_until(lambda: status() == "DELETE_FAILED")
    kept = {"Far": "CREATE_COMPLETE", "Near": "CREATE_COMPLETE", "Policy": "DELETE_FAILED"}
    assert {each: status for each, status in resources().items() if status != "DELETE_COMPLETE"} == kept
    iot.detach_policy(policyName=name, target=TARGET)
    formation.delete_stack(StackName=name)
    wait_until(lambda: status() == "DELETE_COMPLETE")
