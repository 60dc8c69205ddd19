"""`make deploy` and `make destroy`, on a local cloud that the profiles of the AWS configuration name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_cloud.environment import without_aws
from local_cloud.process import LocalCloud
from tests.e2e.commands import run_pubsub
from tests.e2e.stack_app import StackApp, bootstrapped
from tests.processes import ended, run_on_a_terminal
from tools.__main__ import main

_REPOSITORY = Path(__file__).parents[2]
_DEPLOY = ("deploy", "--yes")
_DESTROY = ("destroy", "--yes")
_PROD = ("--profile", "elsewhere", "--environment", "prod")
_STACK = "AmplifyPubSub-prod"


@dataclass(frozen=True)
class Shell:
    """A shell with an AWS configuration file, and without other AWS variables in its environment."""

    cloud: LocalCloud
    config: Path

    def environment(self, changes: dict[str, str]) -> dict[str, str]:
        # With CI set, the commands would not prompt.
        kept = {name: value for name, value in without_aws(os.environ).items() if name != "CI"}
        # Two CDK CLIs cannot synthesize into the same directory.
        own = {"AWS_CONFIG_FILE": str(self.config), "CDK_OUTPUT": str(self.config.with_name("cdk.out"))}
        return kept | own | changes

    def run_without_cdk(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a command that ends before it starts the CDK CLI, in this process."""
        return run_pubsub(arguments, self.environment(changes), program=main)

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools", *arguments],
            cwd=_REPOSITORY,
            env=self.environment(changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def type(self, typed: str, *arguments: str, **changes: str) -> tuple[int, str]:
        """Run a command on a terminal, type a line at its prompt, and return the exit code and the output."""
        command = [sys.executable, "-m", "tools", *arguments]
        return run_on_a_terminal(command, self.environment(changes), f"{typed}\n", _REPOSITORY)


@pytest.fixture(scope="module")
def unprepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """An account that is not bootstrapped."""
    directory = tmp_path_factory.mktemp("account")
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        yield _shell(cloud, directory)


def _shell(cloud: LocalCloud, directory: Path) -> Shell:
    config = directory / "config"
    keys = "aws_access_key_id = test\naws_secret_access_key = test\n"
    config.write_text(
        f"[profile team]\nregion = us-east-1\nendpoint_url = {cloud.endpoint_url}\n{keys}"
        f"[profile elsewhere]\nregion = eu-west-3\nendpoint_url = {cloud.endpoint_url}\n{keys}"
        f"[profile nowhere]\nendpoint_url = {cloud.endpoint_url}\n{keys}"
        f"[profile china]\nregion = cn-north-1\nendpoint_url = {cloud.endpoint_url}\n{keys}"
        f"[profile empty]\nregion = us-east-1\nendpoint_url = {cloud.endpoint_url}\n"
        "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n"
        "[profile sso]\nregion = us-east-1\nsso_session = corp\n"
        "sso_account_id = 111122223333\nsso_role_name = dev\n"
    )
    return Shell(cloud, config)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """An account that is bootstrapped."""
    directory = tmp_path_factory.mktemp("bootstrapped")
    with bootstrapped(directory) as cloud:
        yield _shell(cloud, directory)


class TestPreconditions:
    """Deploy and destroy exit with code 2 and one line before they change anything."""

    @pytest.mark.parametrize(
        ("command", "variable"), [(_DEPLOY, "AWS_ENDPOINT_URL"), (_DESTROY, "AWS_ENDPOINT_URL_IOT")]
    )
    def test_endpoint_in_the_environment_is_rejected(
        self, unprepared: Shell, command: tuple[str, ...], variable: str
    ) -> None:
        done = unprepared.run_without_cdk(*command, "--profile", "team", **{variable: unprepared.cloud.endpoint_url})
        assert _one_line(done).startswith(f"tools: {variable} is set ({unprepared.cloud.endpoint_url})")

    @pytest.mark.parametrize("command", ["deploy", "destroy"])
    def test_command_does_not_prompt_without_a_terminal(self, unprepared: Shell, command: str) -> None:
        assert "give --yes, with make YES=1" in _one_line(unprepared.run_without_cdk(command, "--profile", "team"))

    def test_command_does_not_prompt_in_a_pipeline(self, unprepared: Shell) -> None:
        code, shown = unprepared.type("", "destroy", "--profile", "team", CI="1")
        assert code == 2
        assert "give --yes, with make YES=1" in shown

    @pytest.mark.parametrize(
        ("command", "arguments", "line"),
        [
            (_DEPLOY, "--profile team --environment dev", "environment: 'dev' is not in amplify-pubsub.environments"),
            (_DESTROY, "--profile missing", "The config profile (missing) could not be found"),
            (_DEPLOY, "--profile nowhere", "no region: give --region or AWS_REGION"),
            (_DEPLOY, "--profile china", "region cn-north-1: Amazon Cognito has no user pools"),
            (_DESTROY, "--profile empty", "Unable to locate credentials: give credentials by --profile or the"),
            (_DESTROY, "--profile team", "there is no stack AmplifyPubSub in us-east-1: nothing to destroy"),
        ],
    )
    def test_wrong_target_is_reported_in_one_line(
        self, unprepared: Shell, command: tuple[str, ...], arguments: str, line: str
    ) -> None:
        done = unprepared.run_without_cdk(*command, *arguments.split())
        assert done.returncode == 2
        assert done.stderr.startswith(f"tools: {line}")
        assert done.stderr.count("\n") == 1

    def test_expired_sso_session_is_reported_with_the_login_command(self, unprepared: Shell) -> None:
        line = _one_line(unprepared.run_without_cdk(*_DEPLOY, "--profile", "sso"))
        assert line.endswith("; sign in again with: aws sso login --profile sso")

    def test_unknown_option_exits_with_2(self, unprepared: Shell) -> None:
        assert unprepared.run_without_cdk("deploy", "--nonsense").returncode == 2

    def test_account_without_bootstrap_is_reported_with_the_command(self, unprepared: Shell) -> None:
        done = unprepared.run_without_cdk(*_DEPLOY, "--profile", "team")
        assert done.returncode == 2
        assert done.stderr == (
            "tools: account 000000000000 is not bootstrapped in us-east-1: "
            "npx cdk bootstrap aws://000000000000/us-east-1 --profile team\n"
        )

    @pytest.mark.parametrize(
        ("command", "profile", "line"),
        [
            (_DEPLOY, "nowhere", "000000000000 is not bootstrapped in ca-central-1"),
            (_DESTROY, "elsewhere", "AmplifyPubSub in ca-central-1"),
        ],
    )
    def test_region_of_the_environment_overrides_the_profile(
        self, unprepared: Shell, command: tuple[str, ...], profile: str, line: str
    ) -> None:
        done = unprepared.run_without_cdk(*command, "--profile", profile, AWS_REGION="ca-central-1")
        assert done.returncode == 2
        assert "  region       ca-central-1\n" in done.stdout
        assert line in done.stderr

    def test_make_passes_its_variables_on(self) -> None:
        command = "-m tools deploy --profile team --region eu-west-1 --environment dev"
        assert _made_command("YES=1").endswith(f"{command} --yes")
        assert _made_command("YES=0").endswith(command)
        assert _made_command("JUNIT=smoke.xml").endswith(f"{command} --junit smoke.xml")

    def test_missing_directory_of_results_is_rejected(self, unprepared: Shell, tmp_path: Path) -> None:
        junit = str(tmp_path / "missing" / "smoke.xml")
        done = unprepared.run_without_cdk(*_DEPLOY, "--profile", "team", "--junit", junit)
        assert done.returncode == 2
        assert "--junit: there is no directory" in done.stderr
        assert done.stdout == ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_interrupted_deploy_ends_all_its_processes(shell: Shell) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "tools", *_DEPLOY, "--profile", "team"],
        cwd=_REPOSITORY,
        env=shell.environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with ended(running):
        deadline = time.monotonic() + 30
        while len(_session(running.pid)) < 3 and time.monotonic() < deadline:  # tools, the CDK CLI, the app
            time.sleep(0.05)
        assert len(_session(running.pid)) >= 3
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        shown, _ = running.communicate(timeout=30)
    assert running.returncode == 130, shown
    assert "tools: interrupted" in shown
    assert 'Traceback (most recent call last):\n  File "<frozen runpy>"' not in shown
    assert _session(running.pid) == []


def test_production_is_deployed_tested_protected_and_destroyed(shell: Shell, tmp_path: Path) -> None:
    """AWS_REGION overrides the region of the profile."""
    app = StackApp(shell.cloud, tmp_path, environment="prod")
    app.synth()
    synthesized = {"CDK_APP": str(app.assembly)}  # only the deployment synthesizes
    _rejected_changes_create_no_stack(shell, synthesized)
    outputs = _deploy_and_test(shell)
    _expect_protection(shell)
    _expect_wrong_name_destroys_nothing(shell)
    _destroy_and_keep_the_user_pool(shell, outputs, synthesized)


def _rejected_changes_create_no_stack(shell: Shell, synthesized: dict[str, str]) -> None:
    code, shown = shell.type("n", "deploy", *_PROD, AWS_REGION=shell.cloud.region, **synthesized)
    assert code == 1
    assert "IAM Statement Changes" in shown
    # A change set that is not executed leaves a stack without resources.
    assert _stacks(shell).get(_STACK) in (None, "REVIEW_IN_PROGRESS")


def _deploy_and_test(shell: Shell) -> dict[str, str]:
    # Keys in the environment do not override the profile.
    keys = {"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "x"}
    done = shell.run(*_DEPLOY, *_PROD, AWS_REGION=shell.cloud.region, **keys)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "  account      000000000000 as arn:aws:iam::000000000000:root",
        "  region       us-east-1",
        "  environment  prod",
        f"  stack        {_STACK}",
        f"  endpoint     {shell.cloud.endpoint_url}/",
    ]
    assert lines[-1].startswith("smoke test passed: ")
    assert "[Warning" not in done.stdout + done.stderr
    (stack,) = shell.cloud.client("cloudformation").describe_stacks(StackName=_STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def _expect_protection(shell: Shell) -> None:
    refused = shell.run_without_cdk(*_DESTROY, *_PROD, AWS_REGION=shell.cloud.region)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    _, _, command = line.partition("; remove it with: ")
    assert command == (
        "aws cloudformation update-termination-protection --no-enable-termination-protection "
        f"--stack-name {_STACK} --profile elsewhere --region {shell.cloud.region}"
    )
    shell.cloud.client("cloudformation").update_termination_protection(
        StackName=_STACK, EnableTerminationProtection=False
    )


def _expect_wrong_name_destroys_nothing(shell: Shell) -> None:
    code, shown = shell.type("AmplifyPubSup", "destroy", *_PROD, AWS_REGION=shell.cloud.region)
    assert code == 2
    assert "that is not the stack's name: nothing is destroyed" in shown
    assert _STACK in _stacks(shell)


def _destroy_and_keep_the_user_pool(shell: Shell, outputs: dict[str, str], synthesized: dict[str, str]) -> None:
    code, shown = shell.type(_STACK, "destroy", *_PROD, AWS_REGION=shell.cloud.region, **synthesized)
    assert code == 0, shown
    assert "about 0, kept with their user pool" in shown
    assert f"kept: user pool {outputs['UserPoolId']}, app client {outputs['UserPoolClientId']}." in shown
    assert _STACK not in _stacks(shell)
    shell.cloud.client("cognito-idp").describe_user_pool(UserPoolId=outputs["UserPoolId"])


def _made_command(*variables: str) -> str:
    """Return the command that `make deploy` would run."""
    command = ["make", "--no-print-directory", "-n", "deploy", "PROFILE=team", "REGION=eu-west-1", "ENVIRONMENT=dev"]
    done = subprocess.run([*command, *variables], cwd=_REPOSITORY, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def _stacks(shell: Shell) -> dict[str, str]:
    """Return the status of each stack by name."""
    stacks = shell.cloud.client("cloudformation").describe_stacks()["Stacks"]
    return {each["StackName"]: each["StackStatus"] for each in stacks if each["StackStatus"] != "DELETE_COMPLETE"}


def _one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the only line of output of a command that could not start."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def _session(leader: int) -> list[int]:
    """Return the running processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(") ")[2].split()[:4]
        except OSError:  # the process has ended
            continue
        if int(session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found
