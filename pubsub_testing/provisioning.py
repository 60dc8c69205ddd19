"""Starts an local cloud and puts the one stack of a CDK app on it, without npm and the CDK CLI."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import WaiterError

from local_cloud.environment import DEFAULT_REGION
from local_cloud.process import LocalCloud
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from pubsub_testing.deployment import LocalDeployment, ProvisioningError
from pubsub_testing.synthesis import CdkApp

_LONGEST_SECONDS = 300
_POLL_SECONDS = 0.2
_BOOTSTRAPPED = "1000"
"""As which version of CDK's bootstrap the local cloud passes: newer than any that a template asks for."""


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
        stack = Stack.of(assembly)
        digest = digest_of([stack.template_file], stack.name)
    if saved and (restored := saved.start(digest, region=DEFAULT_REGION, log_file=log_file)):
        with restored:
            yield _deployed(restored)
        return
    with ThreadPoolExecutor(1) as background:
        synthesis = None if stack else background.submit(app.synthesize, assembly)
        with LocalCloud.start(log_file=log_file) as cloud:
            if synthesis:
                synthesis.result()
            (stack or Stack.of(assembly)).deploy(cloud)
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
class Stack:
    """The one stack of a cloud assembly."""

    assembly: Path
    name: str
    properties: dict[str, Any]

    @classmethod
    def of(cls, assembly: Path) -> Stack:
        """Read the assembly.

        Raises:
            ProvisioningError: it holds no stack or more than one.
        """
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
    def template_file(self) -> Path:
        """Where the assembly keeps the template."""
        return self.assembly / str(self.properties["templateFile"])

    @property
    def files(self) -> list[dict[str, Any]]:
        """The assets, the template among them."""
        file = self.template_file.with_name(self.template_file.name.replace(".template.json", ".assets.json"))
        return [*json.loads(file.read_text())["files"].values()]

    def deploy(self, cloud: LocalCloud) -> dict[str, str]:
        """Publish the assets, create or update the stack, and return its outputs by name.

        Raises:
            ProvisioningError: CloudFormation does not create or update the stack; the message says why.
        """
        cloudformation = cloud.client("cloudformation")
        operation = "update" if self._exists(cloudformation) else "create"
        call = cloudformation.update_stack if operation == "update" else cloudformation.create_stack
        tags = self.properties.get("tags", {}).items()
        call(
            StackName=self.name,
            TemplateURL=self._publish(cloud),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in tags],
        )
        self._wait(cloudformation, operation)
        cloudformation.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=self.properties.get("terminationProtection", False)
        )
        return self.outputs(cloud)

    def destroy(self, cloud: LocalCloud) -> None:
        """Delete the stack.

        Raises:
            ProvisioningError: CloudFormation does not delete it; the message says why.
        """
        cloudformation = cloud.client("cloudformation")
        try:
            cloudformation.delete_stack(StackName=self.name)
        except cloudformation.exceptions.ClientError as error:
            raise ProvisioningError(str(error)) from error
        self._wait(cloudformation, "delete")

    def outputs(self, cloud: LocalCloud) -> dict[str, str]:
        """Return the outputs of the deployed stack by name."""
        (stack,) = cloud.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def _exists(self, cloudformation: Any) -> bool:
        stacks = cloudformation.describe_stacks()["Stacks"]
        return any(each["StackName"] == self.name and each["StackStatus"] != "DELETE_COMPLETE" for each in stacks)

    def _wait(self, cloudformation: Any, operation: str) -> None:
        try:
            cloudformation.get_waiter(f"stack_{operation}_complete").wait(
                StackName=self.name,
                WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": int(_LONGEST_SECONDS / _POLL_SECONDS)},
            )
        except WaiterError as error:
            pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
            reasons = [
                f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
                for page in pages
                for each in page["StackEvents"]
                if each["ResourceStatus"].endswith("FAILED")
            ]
            raise ProvisioningError(
                "\n".join([f"the stack {self.name} was not {operation}d: {error}", *reasons])
            ) from error

    def _publish(self, cloud: LocalCloud) -> str:
        """Put the assets where the template expects them, as the CDK CLI does, and return the template's address."""
        template = json.loads(self.template_file.read_text())
        if parameter := template.get("Parameters", {}).get("BootstrapVersion"):
            cloud.client("ssm").put_parameter(
                Name=parameter["Default"], Value=_BOOTSTRAPPED, Type="String", Overwrite=True
            )
        s3, url = cloud.client("s3"), ""
        buckets = {each["Name"] for each in s3.list_buckets()["Buckets"]}
        for each in self.files:
            path = self.assembly / each["source"]["path"]
            content = _zipped(path) if each["source"]["packaging"] == "zip" else path.read_bytes()
            for destination in each["destinations"].values():
                bucket, key = (_here(destination[name], cloud) for name in ("bucketName", "objectKey"))
                if bucket not in buckets:
                    s3.create_bucket(Bucket=bucket)
                    buckets.add(bucket)
                s3.put_object(Bucket=bucket, Key=key, Body=content)
                if path == self.template_file:
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
