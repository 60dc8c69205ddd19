"""Starts an embedded cloud and puts the toolkit's stack on it, without npm and the CDK CLI."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import WaiterError

from local_cloud.environment import without_aws
from local_cloud.process import LocalCloud
from pubsub_testing.deployment import LocalDeployment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_WRONG_SETTINGS = 2
_LAST_LINES = 25
_LONGEST_SECONDS = 300


class ProvisioningError(Exception):
    """The stack cannot be put on the embedded cloud; the message says why."""


@contextmanager
def provisioned(directory: Path, settings: Mapping[str, Any]) -> Iterator[LocalDeployment]:
    """Give the toolkit's stack on a cloud of one's own, which ends with the block.

    Args:
        directory: for the cloud's log and the cloud assembly.
        settings: as the toolkit's section of ``cdk.json`` has them.

    Raises:
        ProvisioningError: a setting is wrong, or the stack does not come to be.
        LocalCloudError: the cloud does not start.
    """
    assembly = directory / "cdk.out"
    with ThreadPoolExecutor(1) as background:
        synthesis = background.submit(_synthesize, settings, assembly)
        with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
            stack_name = synthesis.result()
            _publish(cloud, assembly, stack_name)
            yield LocalDeployment(cloud, _deploy(cloud, assembly, stack_name))


def _synthesize(settings: Mapping[str, Any], assembly: Path) -> str:
    """Synthesize in a process of its own, which leaves no Node and no warning in this one; return the stack's name."""
    done = subprocess.run(
        [sys.executable, "-m", "pubsub_testing.synthesis", str(assembly)],
        input=json.dumps(settings),
        env=without_aws(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == _WRONG_SETTINGS:
        raise ProvisioningError(f"fixture pubsub_settings: {done.stderr.strip()}")
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-_LAST_LINES:])
        raise ProvisioningError(f"the stack cannot be synthesized; the end of what was said:\n{tail}")
    return done.stdout.strip()


def _publish(cloud: LocalCloud, assembly: Path, stack_name: str) -> None:
    """Put the assets where the template looks for them, as the CDK CLI does."""
    files = json.loads((assembly / f"{stack_name}.assets.json").read_text())["files"].values()
    s3 = cloud.client("s3")
    for bucket in {destination["bucketName"] for each in files for destination in each["destinations"].values()}:
        s3.create_bucket(Bucket=bucket)
    for each in files:
        path = assembly / each["source"]["path"]
        content = _zipped(path) if each["source"]["packaging"] == "zip" else path.read_bytes()
        for destination in each["destinations"].values():
            s3.put_object(Bucket=destination["bucketName"], Key=destination["objectKey"], Body=content)


def _zipped(directory: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in directory.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(directory))
    return content.getvalue()


def _deploy(cloud: LocalCloud, assembly: Path, stack_name: str) -> dict[str, str]:
    """Create the stack and return its outputs by name."""
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=stack_name,
        TemplateBody=(assembly / f"{stack_name}.template.json").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack_name, WaiterConfig={"Delay": 1, "MaxAttempts": _LONGEST_SECONDS}
        )
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
        reasons = [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in events
            if each["ResourceStatus"].endswith("FAILED")
        ]
        raise ProvisioningError("\n".join([f"the stack {stack_name} was not created: {error}", *reasons])) from error
    (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
