"""Starts an embedded cloud and puts the one stack of a CDK app on it, without npm and the CDK CLI."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import WaiterError

from local_cloud.environment import DEFAULT_REGION
from local_cloud.process import LocalCloud
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from pubsub_testing.deployment import LocalDeployment, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pubsub_testing.synthesis import CdkApp

_LONGEST_SECONDS = 300
_BOOTSTRAPPED = "1000"
"""As which version of CDK's bootstrap the embedded cloud passes: newer than any that a template asks for."""


@contextmanager
def provisioned(directory: Path, app: CdkApp, saved: SavedDeployments | None) -> Iterator[LocalDeployment]:
    """Give an app's stack on a cloud of one's own, which ends with the block.

    Args:
        directory: for the cloud's log and the cloud assembly.
        app: what is synthesized, with one stack.
        saved: deployments of earlier test runs; this one is among them afterwards.

    Raises:
        ProvisioningError: the app fails, or its stack does not come to be.
        LocalCloudError: the cloud does not start.
    """
    assembly, log_file = directory / "cdk.out", directory / "cloud.log"
    stack, digest = None, app.digest()
    if digest is None:  # only the template tells what is deployed
        app.synthesize(assembly)
        stack = _Stack.of(assembly)
        digest = digest_of([assembly / stack.properties["templateFile"]], stack.name)
    if saved and (restored := saved.start(digest, region=DEFAULT_REGION, log_file=log_file)):
        with restored:
            yield _deployed(restored)
        return
    with ThreadPoolExecutor(1) as background:
        synthesis = None if stack else background.submit(app.synthesize, assembly)
        with LocalCloud.start(log_file=log_file) as cloud:
            if synthesis:
                synthesis.result()
            _deploy(cloud, stack or _Stack.of(assembly))
            if saved:
                _save(saved, digest, cloud)
            yield _deployed(cloud)


def _save(saved: SavedDeployments, digest: str, cloud: LocalCloud) -> None:
    try:
        saved.save(digest, cloud)
    except NotSavedError as error:
        warnings.warn(f"the deployment is not saved for the next test run: {error}", stacklevel=2)


def _deployed(cloud: LocalCloud) -> LocalDeployment:
    """Describe the one stack on a cloud."""
    (stack,) = cloud.client("cloudformation").describe_stacks()["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    return LocalDeployment(cloud, stack["StackName"], outputs)


@dataclass(frozen=True)
class _Stack:
    """The one stack of an assembly."""

    assembly: Path
    name: str
    properties: dict[str, Any]

    @classmethod
    def of(cls, assembly: Path) -> _Stack:
        artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
        stacks = {
            str(each["properties"].get("stackName", artifact_id)): each["properties"]
            for artifact_id, each in artifacts.items()
            if each["type"] == "aws:cloudformation:stack"
        }
        if len(stacks) != 1:
            raise ProvisioningError(
                f"the app has {len(stacks)} stacks ({', '.join(stacks) or 'none'}): have it make the one with PubSub "
                "alone, for instance by a context key"
            )
        ((name, properties),) = stacks.items()
        return cls(assembly, name, properties)

    @property
    def template(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.assembly / self.properties["templateFile"]).read_text())
        return document

    @property
    def files(self) -> list[dict[str, Any]]:
        """The assets, the template among them."""
        file = self.properties["templateFile"].replace(".template.json", ".assets.json")
        return [*json.loads((self.assembly / file).read_text())["files"].values()]


def _deploy(cloud: LocalCloud, stack: _Stack) -> None:
    """Publish what the stack needs, and create it."""
    url = _publish(cloud, stack)
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName=stack.name, TemplateURL=url, Capabilities=["CAPABILITY_NAMED_IAM"])
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack.name, WaiterConfig={"Delay": 1, "MaxAttempts": _LONGEST_SECONDS}
        )
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
        reasons = [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in events
            if each["ResourceStatus"].endswith("FAILED")
        ]
        raise ProvisioningError("\n".join([f"the stack {stack.name} was not created: {error}", *reasons])) from error


def _publish(cloud: LocalCloud, stack: _Stack) -> str:
    """Put the assets where the template looks for them, as the CDK CLI does, and return the template's address."""
    if parameter := stack.template.get("Parameters", {}).get("BootstrapVersion"):
        cloud.client("ssm").put_parameter(Name=parameter["Default"], Value=_BOOTSTRAPPED, Type="String")
    s3, made, url = cloud.client("s3"), set(), ""
    for each in stack.files:
        path = stack.assembly / each["source"]["path"]
        content = _zipped(path) if each["source"]["packaging"] == "zip" else path.read_bytes()
        for destination in each["destinations"].values():
            bucket, key = (_here(destination[name], cloud) for name in ("bucketName", "objectKey"))
            if bucket not in made:
                s3.create_bucket(Bucket=bucket)
                made.add(bucket)
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            if each["source"]["path"] == stack.properties["templateFile"]:
                url = f"https://s3.{cloud.region}.amazonaws.com/{bucket}/{key}"
    return url


def _here(text: str, cloud: LocalCloud) -> str:
    """Put the account and region in the place of what a stack has that names none."""
    values = {"AWS::AccountId": cloud.account_id, "AWS::Region": cloud.region, "AWS::Partition": "aws"}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _zipped(directory: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in directory.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(directory))
    return content.getvalue()
