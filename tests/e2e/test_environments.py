"""A pull request's environment is deployed and destroyed in the account of production.

The steps of examples/pipelines/github-actions.yml do both while a user of production is connected.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree as ET

import pytest
import yaml  # type: ignore[import-untyped]
from botocore.exceptions import ClientError

from local_cloud.environment import without_aws
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, deploy, warm
from tests.e2e.operator import operator, policies, unused_actions
from tests.e2e.stack_app import StackApp, bootstrapped
from tests.integration.local_cloud.account import Credentials
from tests.integration.local_cloud.mqtt import connected

_PROD, _PR = "AmplifyPubSub-prod", "AmplifyPubSub-pr-7"
_ORDERS = "orders/1"
_REPOSITORY = Path(__file__).parents[2]
_MADE = ("cdk.out", "dist", "node_modules", "__pycache__", ".*")
_SECONDS = 250
_WORKFLOW: dict[Any, Any] = yaml.safe_load((_REPOSITORY / "examples" / "pipelines" / "github-actions.yml").read_text())
_JOBS: dict[str, Any] = _WORKFLOW["jobs"]
_PULL_REQUEST = 7


@dataclass(frozen=True)
class User:
    """A signed-in user."""

    name: str
    identity_id: str
    tokens: dict[str, str]
    credentials: Credentials

    @classmethod
    def of(cls, deployment: Deployment) -> User:
        name = deployment.make_user()
        tokens = deployment.sign_in(name)
        return cls(name, deployment.identity_id(tokens), tokens, deployment.credentials(tokens))


def test_pull_request_environment_leaves_production_unchanged(tmp_path: Path) -> None:
    with bootstrapped(tmp_path) as cloud:
        prod = deploy(StackApp(cloud, tmp_path / "prod", environment="prod"))
        warm(prod)
        prod_user = User.of(prod)
        assert prod.attached_policies(prod_user.identity_id) == ["myIoTPolicy-prod"]
        state = _state(prod)
        runner = Runner.make(cloud, tmp_path)

        pull_request = _deploy_by_pipeline(runner)
        pr_user = User.of(pull_request)
        assert pull_request.attached_policies(pr_user.identity_id) == ["myIoTPolicy-pr-7"]
        _expect_separate_resources(prod, pull_request)
        _expect_no_access_to_the_pools(prod, pr_user)
        _expect_no_access_to_the_topics(prod, prod_user, pr_user)

        with connected(cloud, prod_user.credentials, str(uuid.uuid4())) as mqtt:
            assert mqtt.subscribe(_ORDERS) == 0
            shown = runner.run("pull-request-closed")
            assert mqtt.publish(_ORDERS, b"afterwards") == 0
            message = mqtt.message()
        assert message is not None
        assert message.payload == b"afterwards"
        assert "about 1, LOST with it" in shown
        stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
        assert _PR not in {each["StackName"] for each in stacks if each["StackStatus"] != "DELETE_COMPLETE"}
        assert prod.attached_policies(pr_user.identity_id) == []
        assert _state(prod) == state
        assert prod.smoke()["summary"]["exit_code"] == 0


def _deploy_by_pipeline(runner: Runner) -> Deployment:
    shown = runner.run("pull-request")
    assert re.search(rf"^  stack +{re.escape(_PR)}$", shown, re.MULTILINE), shown
    suite = ET.fromstring((runner.checkout / "smoke.xml").read_text()).find("testsuite")
    assert suite is not None
    assert suite.attrib["name"] == f"pubsub smoke {_PR}"
    assert len(suite.findall("testcase")) == int(suite.attrib["tests"]) > 20
    assert [suite.attrib[each] for each in ("failures", "errors", "skipped")] == ["0", "0", "2"]  # without groups
    kept = runner.checkout.with_name("pull-request")
    shutil.copytree(runner.checkout / "cdk.out", kept / "cdk.out")
    app = StackApp(runner.cloud, kept)
    return Deployment(runner.cloud, app, app.write_outputs())


def _expect_separate_resources(prod: Deployment, pull_request: Deployment) -> None:
    assert (prod.policy_name, pull_request.policy_name) == ("myIoTPolicy-prod", "myIoTPolicy-pr-7")
    same = {name for name, value in prod.outputs.items() if pull_request.outputs[name] == value}
    assert same == {Output.REGION, Output.PUBSUB_ENDPOINT, Output.ACCESS_MODE}


def _expect_no_access_to_the_pools(prod: Deployment, pr_user: User) -> None:
    users = prod.public("cognito-idp")
    with pytest.raises(users.exceptions.NotAuthorizedException):
        prod.sign_in(pr_user.name)
    with pytest.raises(ClientError) as refused:
        prod.identity_id(pr_user.tokens)
    assert refused.value.response["Error"]["Code"] in {"NotAuthorizedException", "InvalidParameterException"}
    assert prod.self_attach(pr_user.credentials).status == 403


def _expect_no_access_to_the_topics(prod: Deployment, prod_user: User, pr_user: User) -> None:
    cloud = prod.cloud
    for topic, allowed in (("pr/room", True), (_ORDERS, False), ("#", False), ("+/1", False)):
        with connected(cloud, pr_user.credentials, str(uuid.uuid4())) as mqtt:
            assert (mqtt.subscribe(topic) == 0) is allowed, topic
    with connected(cloud, prod_user.credentials, str(uuid.uuid4())) as production:
        assert production.subscribe(_ORDERS) == 0
        with connected(cloud, pr_user.credentials, str(uuid.uuid4())) as mqtt:
            mqtt.publish(_ORDERS, b"forged")
        assert production.publish(_ORDERS, b"real") == 0
        message = production.message()
        assert message is not None
        assert message.payload == b"real"


class TestWorkflow:
    def test_workflow_deploys_production_like_a_pull_request(self) -> None:
        def commands(job: str) -> list[str]:
            return [step["run"].replace('"$ENVIRONMENT"', "prod") for step in _run_steps(job)]

        assert commands("prod") == commands("pull-request")

    def test_workflow_protects_its_credentials(self) -> None:
        assert set(_WORKFLOW[True]) == {"push", "pull_request"}  # "on" is a boolean in YAML 1.1
        assert _WORKFLOW["permissions"] == {}
        no_fork = "github.event.pull_request.head.repo.full_name == github.repository"
        for name, job in _JOBS.items():
            assert no_fork in job["if"] or job["if"] == "github.event_name == 'push'"
            assert job["permissions"] == {"contents": "read", "id-token": "write"}
            # Packages are installed before the job has credentials.
            steps = [step.get("run") or step["uses"].partition("@")[0] for step in job["steps"]]
            assert steps.index("make setup") < steps.index("aws-actions/configure-aws-credentials")
            # An expression in a script could insert commands.
            assert not any("${{" in step["run"] for step in _run_steps(name))

    def test_workflow_runs_one_job_per_environment_at_a_time(self) -> None:
        groups = {name: job["concurrency"] for name, job in _JOBS.items()}
        assert groups["pull-request"] == groups["pull-request-closed"]
        assert "github.event.number" in groups["pull-request"]["group"]
        assert groups["prod"]["group"] != groups["pull-request"]["group"]
        assert not any(each.get("cancel-in-progress") for each in groups.values())


def _state(deployment: Deployment) -> dict[str, Any]:
    """Return everything that another environment could change in this one."""
    cloud, stack = deployment.cloud, deployment.app.stack_name
    cloudformation, iot, iam = cloud.client("cloudformation"), cloud.client("iot"), cloud.client("iam")
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    pool_id = deployment.outputs[Output.IDENTITY_POOL_ID]
    role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
    users, identities = cloud.client("cognito-idp"), cloud.client("cognito-identity")
    policy = iot.get_policy(policyName=deployment.policy_name)
    found: dict[str, Any] = {
        "template": cloudformation.get_template(StackName=stack)["TemplateBody"],
        "outputs": described["Outputs"],
        "protection": described["EnableTerminationProtection"],
        "policy": (json.loads(policy["policyDocument"]), policy["defaultVersionId"]),
        "attached to": sorted(iot.list_targets_for_policy(policyName=deployment.policy_name)["targets"]),
        "user pool": users.describe_user_pool(UserPoolId=deployment.user_pool_id)["UserPool"],
        "app client": users.describe_user_pool_client(
            UserPoolId=deployment.user_pool_id, ClientId=deployment.client_id
        )["UserPoolClient"],
        "users": [each["Username"] for each in users.list_users(UserPoolId=deployment.user_pool_id)["Users"]],
        "identity pool": identities.describe_identity_pool(IdentityPoolId=pool_id),
        "roles": identities.get_identity_pool_roles(IdentityPoolId=pool_id),
        "role's policies": iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"],
    }
    for answer in (found["identity pool"], found["roles"]):
        answer.pop("ResponseMetadata")
    return found


@dataclass(frozen=True)
class Runner:
    """A machine with a checkout, and a default profile that names the local cloud as endpoint."""

    cloud: LocalCloud
    checkout: Path

    @classmethod
    def make(cls, cloud: LocalCloud, directory: Path) -> Self:
        """Copy the sources, and link the packages that `make setup` installed."""
        checkout = directory / "checkout"
        shutil.copytree(_REPOSITORY, checkout, ignore=shutil.ignore_patterns(*_MADE))
        for made in (".venv", "node_modules"):
            (checkout / made).symlink_to(_REPOSITORY / made)
        (directory / "config").write_text(f"[default]\nendpoint_url = {cloud.endpoint_url}\n")
        return cls(cloud, checkout)

    def run(self, job: str) -> str:
        """Run a job's ``run`` steps with exactly the permissions in docs/how-to/deploy.md, and return the output."""
        column = 0 if job == "prod" else 1
        with operator(
            self.cloud, {}, _statements(job), **{name: row[column] for name, row in _placeholders().items()}
        ) as keys:
            shown = "".join(self._step(step["run"], _JOBS[job].get("env", {}), keys) for step in _run_steps(job))
            command = "make destroy" if job == "pull-request-closed" else "make deploy"
            assert unused_actions(self.cloud, keys, policies(command)[0]) == set()
            return shown

    def _step(self, script: str, env: Mapping[str, str], keys: Mapping[str, str]) -> str:
        # The tested make must not inherit from the make that runs the tests.
        inherited = {name: value for name, value in without_aws(os.environ).items() if not name.startswith("MAKE")}
        if "make destroy" in script:  # use the assembly that was deployed
            inherited["CDK_APP"] = "cdk.out"
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", _resolved(script)],
            cwd=self.checkout,
            env={
                **inherited,
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "AWS_CONFIG_FILE": str(self.checkout.with_name("config")),
                "AWS_REGION": self.cloud.region,
                "AWS_DEFAULT_REGION": self.cloud.region,
                **keys,
                **{name: _resolved(value) for name, value in env.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def _run_steps(job: str) -> list[dict[str, Any]]:
    return [step for step in _JOBS[job]["steps"] if "run" in step]


def _resolved(text: str) -> str:
    """Replace GitHub's expressions; an unknown one is an error."""
    known = {"github.event.number": str(_PULL_REQUEST)}
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)


def _statements(job: str) -> list[dict[str, Any]]:
    """Return the permissions of a job: the sections of iam-permissions.md that docs/how-to/deploy.md names."""
    sections = ["make deploy", "pubsub doctor", "pubsub smoke", *([] if job == "prod" else ["make destroy"])]
    return [statement for section in sections for statement in policies(section)[0]]


def _placeholders() -> dict[str, list[str]]:
    """Return the values in docs/how-to/deploy.md for each placeholder: for prod, and for pull requests."""
    document = (_REPOSITORY / "docs" / "how-to" / "deploy.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \| `(.+?)` \|$", document, re.MULTILINE)
    return {name: columns for name, *columns in rows}
