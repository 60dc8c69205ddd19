"""`make local`: deploy this repository's stack to a local cloud in the background."""

from __future__ import annotations

import sys

from local_cloud.environment import DEFAULT_REGION
from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.provisioning import CdkApp, deployed_stack, write_outputs
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from local_cloud.state_directory import StateDirectory
from local_cloud.steps import Steps
from tools.cdk_cli import REPOSITORY

_SOURCES = ("app.py", "cdk.json", "requirements.txt", "stacks", "lambdas", "pubsub_client")
"""The files and directories of the repository that decide what is deployed."""


def deploy_locally(state: StateDirectory, port: int | None) -> None:
    """Deploy the stack to the local cloud in the background; start one if none is running.

    If the stack was deployed before and none of its sources has changed, a new cloud starts with the stack deployed.

    Args:
        state: the directory that remembers the cloud; ``outputs.json`` is written there.
        port: the loopback port of a new cloud; None uses a free one.

    Raises:
        LocalCloudError: a cloud is running on another port, or the cloud or the deployment failed.
    """
    saved = SavedDeployments(state.directory / "deployments")
    digest = digest_of([REPOSITORY / name for name in _SOURCES])
    with state.lock():
        running_before, restored = state.running(), None
        if running_before is None:
            restored = saved.start(digest, port, region=DEFAULT_REGION, log_file=state.log_file)
        elif port not in (None, running_before.port):
            raise LocalCloudError(
                f"a cloud of {state.directory} is already running on port {running_before.port}; "
                "stop it with `down` first"
            )
        cloud = running_before or restored or LocalCloud.start(port, log_file=state.log_file)
        if not running_before:
            state.remember(cloud)
            cloud.detach()
    print(f"local cloud: {cloud.endpoint_url}   (to use it in a shell: . {state.directory}/env)")
    outputs_file = state.outputs_file.resolve()
    if restored:
        write_outputs(outputs_file, *deployed_stack(cloud))
        print(f"nothing has changed: the saved deployment was restored; the outputs are in {outputs_file}")
        return
    steps, app = Steps(), CdkApp.in_directory(REPOSITORY)
    stack = steps.run("synthesize", lambda: app.synthesize(state.directory / "cdk.out"))
    write_outputs(outputs_file, stack.name, steps.run("deploy", lambda: stack.deploy(cloud)))
    if not running_before:  # a cloud that ran before may contain more than the stack
        _save(saved, digest, cloud)
    print(f"deployed; the outputs are in {outputs_file}")


def _save(saved: SavedDeployments, digest: str, cloud: LocalCloud) -> None:
    try:
        saved.save(digest, cloud)
    except NotSavedError as error:
        print(f"tools: the deployment is not saved for the next start: {error}", file=sys.stderr)
