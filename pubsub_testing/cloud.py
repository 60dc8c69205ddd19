"""Starts a local cloud with a deployed stack, from the saved state of an earlier test run if nothing has changed."""

from __future__ import annotations

import json
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amplify_pubsub import CONTEXT_KEY, SettingsError, read_settings
from local_cloud.environment import DEFAULT_REGION
from local_cloud.process import LocalCloud
from local_cloud.provisioning import CdkApp, ProvisioningError, deployed_stack
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from pubsub_testing.deployment import LocalDeployment


def toolkit_app(settings: Mapping[str, Any]) -> CdkApp:
    """Return a CDK app with only the toolkit's stack.

    Raises:
        ProvisioningError: a setting is wrong.
    """
    try:
        read_settings(dict(settings), None)
    except SettingsError as error:
        raise ProvisioningError(f"fixture pubsub_settings: {error}") from None
    command = shlex.join([sys.executable, "-m", "pubsub_testing.app"])
    return CdkApp(command, Path.cwd(), {CONTEXT_KEY: dict(settings)})


def digest_of_toolkit_app(app: CdkApp) -> str:
    """Return a digest of everything that decides the template of :func:`toolkit_app`."""
    packages = (find_spec(name) for name in ("amplify_pubsub", "pubsub_client"))
    sources = [Path(folder) for each in packages if each for folder in each.submodule_search_locations or ()]
    # In a wheel the functions are part of amplify_pubsub.
    sources += [lambdas for each in sources if (lambdas := each.parent / "lambdas").is_dir()]
    return digest_of(sources, version("aws-cdk-lib"), sys.version, json.dumps(app.context, sort_keys=True))


@contextmanager
def provisioned(
    directory: Path, app: CdkApp, saved: SavedDeployments | None, *, digest: str | None = None
) -> Iterator[LocalDeployment]:
    """Deploy an app's stack onto a cloud that ends with the block.

    Args:
        directory: the directory for the cloud's log and the cloud assembly.
        app: the app, which has one stack.
        saved: the deployments of earlier test runs; this one is added.
        digest: a digest of everything that decides the template; without it the app is always synthesized.

    Raises:
        ProvisioningError: the app failed, does not have exactly one stack, or the stack could not be deployed.
        LocalCloudError: the cloud does not start.
    """
    log_file, stack = directory / "cloud.log", None
    with ExitStack() as clouds:

        def restore(wanted: str | None) -> LocalCloud | None:
            started = saved.start(wanted, region=DEFAULT_REGION, log_file=log_file) if saved and wanted else None
            return clouds.enter_context(started) if started else None

        if digest is None:
            # Files, variables and packages can all decide what an app synthesizes. Only its template shows whether a
            # state is current. The latest one is restored at the same time, because it usually is.
            latest = saved.latest() if saved else None
            with ThreadPoolExecutor(1) as background:
                restoring = background.submit(restore, latest)
                stack = app.synthesize(directory / "cdk.out")
            digest, restored = digest_of([stack.template_file], stack.name), restoring.result()
            if restored and digest != latest:
                restored.end()
                restored = restore(digest)
        else:
            restored = restore(digest)
        cloud = restored or clouds.enter_context(LocalCloud.start(log_file=log_file))
        if not restored:
            (stack or app.synthesize(directory / "cdk.out")).deploy(cloud)
            if saved:
                save(saved, digest, cloud)
        yield LocalDeployment(cloud, *deployed_stack(cloud))


def save(saved: SavedDeployments, digest: str, cloud: LocalCloud) -> None:
    """Save a deployment for later test runs; warn if it cannot be saved."""
    try:
        saved.save(digest, cloud)
    except NotSavedError as error:
        warnings.warn(f"the deployment is not saved for the next test run: {error}", stacklevel=2)
