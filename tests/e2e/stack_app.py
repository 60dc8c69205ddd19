"""This repository's stack, synthesized in this process and deployed without the CDK CLI; and bootstrapped accounts."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from local_cloud.process import LocalCloud
from local_cloud.provisioning import SynthesizedStack, write_outputs
from stacks.settings import CONTEXT_KEY, read_settings
from tools.cdk_cli import JSII_NODE, REPOSITORY, CdkCli

_CONTEXT: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text())["context"]


@contextmanager
def shared(kind: str, directory: Path, *key: object) -> Iterator[Path]:
    """Yield a path that the processes of a test run share for a key. Only one process at a time is in the block."""
    run = next((each for each in directory.parents if each.name.startswith("pytest-")), directory)
    run.mkdir(parents=True, exist_ok=True)
    path = run / f"{kind}-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]}"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


@contextmanager
def bootstrapped(directory: Path) -> Iterator[LocalCloud]:
    """Start a cloud, for this block, whose account the real CDK CLI has bootstrapped. A test run does this once."""
    log_file = directory / "cloud.log"
    with shared("bootstrap", directory) as state:
        if not state.exists():
            with LocalCloud.start(log_file=log_file) as first:
                CdkCli(first, directory).bootstrap()
                first.save(state)
    with LocalCloud.start(saved=state, log_file=log_file) as cloud:
        yield cloud


@dataclass(frozen=True)
class StackApp:
    """The stack with some settings, and the location of its assembly and outputs.

    Args:
        cloud: the local cloud to deploy to.
        directory: holds the cloud assembly and the outputs.
        settings: the section ``amplify-pubsub``; None selects the section of the repository's cdk.json.
        environment: the environment; None selects the default environment.
    """

    cloud: LocalCloud
    directory: Path
    settings: Mapping[str, Any] | None = None
    environment: str | None = None

    @property
    def assembly(self) -> Path:
        """The cloud assembly."""
        return (self.directory / "cdk.out").resolve()

    @property
    def outputs_file(self) -> Path:
        """The outputs, as ``cdk deploy --outputs-file`` writes them."""
        return (self.directory / "outputs.json").resolve()

    @property
    def stack_name(self) -> str:
        """The stack's name."""
        return SynthesizedStack.read(self.assembly).name

    @property
    def template_file(self) -> Path:
        """The template. Tests may change it between ``synth`` and ``deploy``."""
        return SynthesizedStack.read(self.assembly).template_file

    def synth(self) -> None:
        """Synthesize, unless this test run has already synthesized the same settings."""
        section = _CONTEXT[CONTEXT_KEY] if self.settings is None else self.settings
        settings = read_settings(section, self.environment)
        with shared("assembly", self.directory, settings.model_dump_json()) as known:
            if not known.exists():
                _synthesize(settings, self.cloud.region, known)
        shutil.copytree(known, self.assembly, dirs_exist_ok=True)

    def notes(self) -> list[str]:
        """Return the notes and warnings that synthesis prints."""
        manifest = json.loads((self.assembly / "manifest.json").read_text())
        artifact = manifest["artifacts"][self.stack_name]
        entries = dict(artifact.get("metadata", {}))
        if file := artifact.get("additionalMetadataFile"):
            entries |= json.loads((self.assembly / file).read_text())
        levels = ("aws:cdk:info", "aws:cdk:warning", "aws:cdk:error")
        return [str(each["data"]) for of in entries.values() for each in of if each["type"] in levels]

    def deploy(self) -> dict[str, str]:
        """Deploy the synthesized template, and return the stack's outputs by name.

        Raises:
            ProvisioningError: CloudFormation could not create or update the stack.
        """
        SynthesizedStack.read(self.assembly).deploy(self.cloud)
        return self.write_outputs()

    def write_outputs(self) -> dict[str, str]:
        """Write the outputs of the deployed stack, and return them."""
        stack = SynthesizedStack.read(self.assembly)
        outputs = stack.outputs(self.cloud)
        write_outputs(self.outputs_file, stack.name, outputs)
        return outputs

    def destroy(self) -> None:
        """Destroy the stack.

        Raises:
            ProvisioningError: CloudFormation could not delete the stack.
        """
        SynthesizedStack.read(self.assembly).destroy(self.cloud)


def _synthesize(settings: Any, region: str, assembly: Path) -> None:
    """Synthesize as app.py does, with the context of cdk.json but other settings."""
    with patch.dict(os.environ, JSII_NODE):
        from aws_cdk import App, Environment

        from stacks.amplify_pubsub_stack import AmplifyPubSubStack

        app = App(outdir=str(assembly), context=_CONTEXT, builtin_cloud_formation_validation=False)
        AmplifyPubSubStack(app, settings, env=Environment(region=region))
        app.synth()
