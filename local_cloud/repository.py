"""The commands that deploy this repository's app; the local cloud without them is what a wheel has."""

from __future__ import annotations

import sys

import typer

from local_cloud.cdk_app import CdkApp
from local_cloud.demo import run_demo
from local_cloud.environment import DEFAULT_REGION
from local_cloud.options import DEFAULT_STATE, Port, Region, StateDirectory, running
from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.rehearsal import Steps, rehearse_deployment
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from local_cloud.state import State
from tools.cdk_cli import REPOSITORY

app = typer.Typer()


_DEPLOYED = ("app.py", "cdk.json", "package-lock.json", "requirements.txt", "stacks", "lambdas", "pubsub_client")
"""The files and directories of the repository that decide what is deployed."""


@app.command()
def deploy(port: Port = None, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Deploy this repository's stack onto the cloud in the background; start one if none runs.

    If it was deployed before and no file of it has changed, the new cloud starts with the stack deployed.
    """
    steps, state, saved = Steps(), State(state_dir), SavedDeployments(state_dir / "deployments")
    digest = digest_of([REPOSITORY / name for name in _DEPLOYED])
    with state.alone():
        running_before = state.running()
        if running_before and port not in (None, running_before.port):
            raise LocalCloudError(
                f"a cloud of {state_dir} runs on port {running_before.port} already: end it with `down` first"
            )
        restored = None if running_before else saved.start(digest, port, region=DEFAULT_REGION, log_file=state.log_file)
        cloud = running_before or restored or LocalCloud.start(port, log_file=state.log_file)
        if not running_before:
            state.remember(cloud)
            cloud.let_go()
    print(f"local cloud: {cloud.endpoint_url}   (. {state_dir}/env makes it yours)")
    cdk_app = CdkApp(cloud, state_dir)
    if restored:
        cdk_app.write_outputs()
        print(f"nothing has changed, so the saved deployment was restored; the outputs are in {cdk_app.outputs_file}")
        return
    steps.run("cdk synth", cdk_app.synth)
    steps.run("cdk bootstrap", cdk_app.bootstrap)
    steps.run("cdk deploy", cdk_app.deploy)
    if not running_before:  # a cloud that ran before may hold anything
        try:
            saved.save(digest, cloud)
        except NotSavedError as error:
            print(f"local_cloud: the deployment is not saved for the next start: {error}", file=sys.stderr)
    print(f"deployed; the outputs are in {cdk_app.outputs_file}")


@app.command()
def demo(port: Port = None, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Serve the Amplify web example, with two users ready, on the cloud that `up` started, until Ctrl-C."""
    run_demo(CdkApp(running(state_dir), state_dir), port)


@app.command()
def rehearse(port: Port = None, region: Region = DEFAULT_REGION) -> None:
    """Deploy onto a fresh cloud, run `pubsub smoke`, destroy; exit with the smoke test's code."""
    try:
        raise typer.Exit(rehearse_deployment(port, region))
    except KeyboardInterrupt:
        print("local_cloud: interrupted; the local cloud has ended", file=sys.stderr)
        raise typer.Exit(130) from None
