"""Deploys a stack to a local cloud without the CDK CLI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local_cloud.process import LocalCloud
from local_cloud.provisioning import SynthesizedStack


def _synthesized(assembly: Path, *, termination_protection: bool) -> SynthesizedStack:
    name, template = "Unchanged", assembly / "Unchanged.template.json"
    value = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/unchanged", "Type": "String", "Value": "1"}}
    template.write_text(json.dumps({"Resources": {"Value": value}, "Outputs": {"Name": {"Value": {"Ref": "Value"}}}}))
    asset = {
        "source": {"path": template.name, "packaging": "file"},
        "destinations": {"local": {"bucketName": "assets-of-unchanged", "objectKey": template.name}},
    }
    (assembly / "Unchanged.assets.json").write_text(json.dumps({"files": {"template": asset}}))
    properties = {"templateFile": template.name, "terminationProtection": termination_protection}
    return SynthesizedStack(assembly, name, properties)


def test_unchanged_stack_is_deployed_again_with_its_termination_protection(cloud: LocalCloud, tmp_path: Path) -> None:
    first = _synthesized(tmp_path, termination_protection=True).deploy(cloud)
    with pytest.raises(ClientError, match="TerminationProtection"):
        cloud.client("cloudformation").delete_stack(StackName="Unchanged")
    again = _synthesized(tmp_path, termination_protection=False)
    assert again.deploy(cloud) == first == {"Name": "/unchanged"}
    again.destroy(cloud)
