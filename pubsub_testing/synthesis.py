"""From a CDK app to a cloud assembly, as the CDK CLI has an app do it, but without npm."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from local_cloud.environment import ACCOUNT_ID, DEFAULT_REGION, without_aws
from local_cloud.saved_deployments import digest_of
from pubsub_testing.deployment import ProvisioningError

_LAST_LINES = 25


@dataclass(frozen=True)
class CdkApp:
    """What is run, where, and with which context."""

    command: str
    directory: Path
    context: Mapping[str, Any]
    is_toolkits: bool = False
    """Whether it makes the toolkit's own stack, which depends on nothing but the context."""

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Take the toolkit's own stack.

        Raises:
            ProvisioningError: a setting is wrong.
        """
        from amplify_pubsub import SettingsError, read_settings

        try:
            read_settings(dict(settings), None)
        except SettingsError as error:
            raise ProvisioningError(f"fixture pubsub_settings: {error}") from None
        command = shlex.join([sys.executable, "-m", "pubsub_testing.app"])
        return cls(command, Path.cwd(), {"amplify-pubsub": dict(settings)}, is_toolkits=True)

    @classmethod
    def in_directory(cls, directory: Path) -> Self:
        """Take the app that a ``cdk.json`` names.

        Raises:
            ProvisioningError: there is none, or it names no app.
        """
        file = directory / "cdk.json"
        try:
            document = json.loads(file.read_text())
            return cls(document["app"], directory, document.get("context", {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProvisioningError(f"fixture pubsub_app: {file} names no app: {error!r}") from error

    def digest(self) -> str | None:
        """Return a digest of what decides the template; None for an app of one's own, which may read anything."""
        if not self.is_toolkits:
            return None
        packages = (find_spec(name) for name in ("amplify_pubsub", "pubsub_client"))
        folders = [Path(folder) for each in packages if each for folder in each.submodule_search_locations or ()]
        folders += [functions for each in folders if (functions := each.parent / "lambdas").is_dir()]  # not in a wheel
        return digest_of(folders, version("aws-cdk-lib"), sys.version, json.dumps(self.context, sort_keys=True))

    def synthesize(self, assembly: Path) -> None:
        """Run the app in a process of its own, which leaves no Node and no warning in this one.

        Args:
            assembly: the directory that gets the cloud assembly.

        Raises:
            ProvisioningError: the app fails.
        """
        variables = {
            "CDK_OUTDIR": str(assembly),
            "CDK_CONTEXT_JSON": json.dumps(self.context),
            "CDK_DEFAULT_ACCOUNT": ACCOUNT_ID,
            "CDK_DEFAULT_REGION": DEFAULT_REGION,
        }
        done = subprocess.run(
            ["/bin/sh", "-c", self.command],
            cwd=self.directory,
            env=without_aws(os.environ) | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-_LAST_LINES:])
            raise ProvisioningError(f"{self.command} in {self.directory} failed; the end of what it said:\n{tail}")
