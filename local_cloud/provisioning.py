"""Synthesizes a CDK app and deploys its stack to a local cloud, without npm and the CDK CLI."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError, WaiterError

from local_cloud.environment import ACCOUNT_ID, DEFAULT_REGION, NODE, without_aws
from local_cloud.process import LocalCloud, LocalCloudError

_TIMEOUT_SECONDS = 300
_POLL_SECONDS = 0.2
_LAST_LINES = 25
_NOTHING_CHANGED = "No updates are to be performed"
"""CloudFormation's error for an update that changes nothing. Its code is that of any invalid request."""
_BOOTSTRAP_VERSION = "1000"
"""A version of CDK's bootstrap stack that is newer than any template requires."""


class ProvisioningError(LocalCloudError):
    """The app could not be synthesized, or its stack not deployed or deleted; the message gives the reason."""


@dataclass(frozen=True)
class CdkApp:
    """A CDK app.

    Attributes:
        command: the shell command that synthesizes, as ``app`` in ``cdk.json``.
        directory: the working directory of the command.
        context: the CDK context.
    """

    command: str
    directory: Path
    context: Mapping[str, Any]

    @classmethod
    def in_directory(cls, directory: Path, context: Mapping[str, Any] | None = None) -> Self:
        """Return the app that a directory's ``cdk.json`` describes.

        Args:
            directory: contains ``cdk.json``.
            context: overrides keys of its context.

        Raises:
            ProvisioningError: ``cdk.json`` is missing or has no ``app``.
        """
        file = directory / "cdk.json"
        try:
            document = json.loads(file.read_text())
            return cls(document["app"], directory, {**document.get("context", {}), **(context or {})})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProvisioningError(f'{file}: not readable, or without "app": {error!r}') from error

    def synthesize(self, assembly: Path) -> SynthesizedStack:
        """Run the app in its own process.

        Args:
            assembly: the directory of the cloud assembly.

        Raises:
            ProvisioningError: the app failed, or does not have exactly one stack.
        """
        variables = {
            "CDK_OUTDIR": str(assembly.resolve()),
            "CDK_CONTEXT_JSON": json.dumps(dict(self.context)),
            "CDK_DEFAULT_ACCOUNT": ACCOUNT_ID,
            "CDK_DEFAULT_REGION": DEFAULT_REGION,
            "JSII_NODE": str(NODE),
            # CDK's validation of the template takes longer than the rest of the synthesis; `make check` runs it.
            "CDK_VALIDATION": "false",
        }
        completed = subprocess.run(
            ["/bin/sh", "-c", self.command],
            cwd=self.directory,
            env=without_aws(os.environ) | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if completed.returncode != 0:
            tail = "\n".join((completed.stdout + completed.stderr).splitlines()[-_LAST_LINES:])
            raise ProvisioningError(f"{self.command} in {self.directory} failed. The end of its output:\n{tail}")
        return SynthesizedStack.read(assembly)


@dataclass(frozen=True)
class SynthesizedStack:
    """The one stack of a cloud assembly.

    Attributes:
        assembly: the directory of the cloud assembly.
        name: the stack's name.
        properties: the stack's properties in the assembly's manifest.
    """

    assembly: Path
    name: str
    properties: dict[str, Any]

    @classmethod
    def read(cls, assembly: Path) -> Self:
        """Read the cloud assembly in a directory.

        Raises:
            ProvisioningError: it does not contain exactly one stack.
        """
        artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
        stacks = {
            str(each["properties"].get("stackName", artifact_id)): each["properties"]
            for artifact_id, each in artifacts.items()
            if each["type"] == "aws:cloudformation:stack"
        }
        if len(stacks) != 1:
            raise ProvisioningError(
                f"the app has {len(stacks)} stacks ({', '.join(stacks) or 'none'}); it must synthesize only the stack "
                "with PubSub, for example depending on a context key"
            )
        ((name, properties),) = stacks.items()
        return cls(assembly, name, properties)

    @property
    def template_file(self) -> Path:
        """The file of the template."""
        return self.assembly / str(self.properties["templateFile"])

    def deploy(self, cloud: LocalCloud) -> dict[str, str]:
        """Upload the assets, create or update the stack unless it is up to date, and return its outputs by name.

        Raises:
            ProvisioningError: CloudFormation did not create or update the stack.
        """
        cloudformation = cloud.client("cloudformation")
        operation = "update" if self._exists(cloudformation) else "create"
        call = cloudformation.update_stack if operation == "update" else cloudformation.create_stack
        tags = self.properties.get("tags", {}).items()
        try:
            try:
                call(
                    StackName=self.name,
                    TemplateURL=self._upload_assets(cloud),
                    Capabilities=["CAPABILITY_NAMED_IAM"],
                    Tags=[{"Key": key, "Value": value} for key, value in tags],
                )
                self._wait(cloudformation, operation)
            except ClientError as error:
                if _NOTHING_CHANGED not in str(error):
                    raise
            cloudformation.update_termination_protection(
                StackName=self.name, EnableTerminationProtection=self.properties.get("terminationProtection", False)
            )
        except ClientError as error:
            raise ProvisioningError(f"stack {self.name} was not {operation}d: {error}") from error
        return self.outputs(cloud)

    def destroy(self, cloud: LocalCloud) -> None:
        """Delete the stack.

        Raises:
            ProvisioningError: CloudFormation did not delete it.
        """
        cloudformation = cloud.client("cloudformation")
        try:
            cloudformation.delete_stack(StackName=self.name)
            self._wait(cloudformation, "delete")
        except ClientError as error:
            raise ProvisioningError(f"stack {self.name} was not deleted: {error}") from error

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
                WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": int(_TIMEOUT_SECONDS / _POLL_SECONDS)},
            )
        except WaiterError as error:
            pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
            reasons = [
                f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
                for page in pages
                for each in page["StackEvents"]
                if each["ResourceStatus"].endswith("FAILED")
            ]
            message = "\n".join([f"stack {self.name} was not {operation}d: {error}", *reasons])
            raise ProvisioningError(message) from error

    def _upload_assets(self, cloud: LocalCloud) -> str:
        """Upload the assets to the buckets of the template, and return the template's URL."""
        template = json.loads(self.template_file.read_text())
        if parameter := template.get("Parameters", {}).get("BootstrapVersion"):
            cloud.client("ssm").put_parameter(
                Name=parameter["Default"], Value=_BOOTSTRAP_VERSION, Type="String", Overwrite=True
            )
        s3, url = cloud.client("s3"), ""
        buckets = {each["Name"] for each in s3.list_buckets()["Buckets"]}
        assets = self.template_file.with_name(self.template_file.name.replace(".template.json", ".assets.json"))
        for each in json.loads(assets.read_text())["files"].values():
            path = self.assembly / each["source"]["path"]
            content = _zip(path) if each["source"]["packaging"] == "zip" else path.read_bytes()
            for destination in each["destinations"].values():
                bucket, key = (_with_account(destination[name], cloud) for name in ("bucketName", "objectKey"))
                if bucket not in buckets:
                    s3.create_bucket(Bucket=bucket)
                    buckets.add(bucket)
                s3.put_object(Bucket=bucket, Key=key, Body=content)
                if path == self.template_file:
                    url = f"https://s3.{cloud.region}.amazonaws.com/{bucket}/{key}"
        return url


def deployed_stack(cloud: LocalCloud) -> tuple[str, dict[str, str]]:
    """Return the name and the outputs of the only stack on a cloud."""
    (stack,) = cloud.client("cloudformation").describe_stacks()["Stacks"]
    return stack["StackName"], {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def write_outputs(file: Path, stack_name: str, outputs: Mapping[str, str]) -> None:
    """Write a stack's outputs to a file, as ``cdk deploy --outputs-file`` does."""
    file.write_text(json.dumps({stack_name: dict(outputs)}, indent=2))


def _with_account(text: str, cloud: LocalCloud) -> str:
    """Replace the placeholders of an environment-agnostic stack."""
    values = {"AWS::AccountId": cloud.account_id, "AWS::Region": cloud.region, "AWS::Partition": "aws"}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _zip(directory: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in directory.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(directory))
    return content.getvalue()
