"""Environments side by side in one account and region, deployed and destroyed by the steps of the pipeline's example.

Production is there, its users are signed in and connected; a pull request's environment comes and goes beside it.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError

from local_cloud.cdk_app import CdkApp
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.commands import run_pubsub
from tests.e2e.conftest import Deployment
from tests.e2e.inventory import inventory, resources_of
from tests.e2e.workflow import JOBS, WORKFLOW, Runner
from tests.integration.local_cloud.mqtt import connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.local_cloud.account import Credentials

_PROD, _PR = "AmplifyPubSub-prod", "AmplifyPubSub-pr-7"
_ORDERS = "orders/1"


@dataclass(frozen=True)
class User:
    """Somebody who is signed in."""

    name: str
    identity_id: str
    tokens: dict[str, str]
    credentials: Credentials

    @classmethod
    def of(cls, deployment: Deployment) -> User:
        name = deployment.make_user()
        tokens = deployment.sign_in(name)
        return cls(name, deployment.identity_id(tokens), tokens, deployment.credentials(tokens))


@dataclass(frozen=True)
class Destroyed:
    """What was seen when the pull request was closed."""

    shown: str
    heard: list[str]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    directory = tmp_path_factory.mktemp("environments")
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        CdkApp(cloud, directory).bootstrap()
        yield Runner.make(cloud, directory)


@pytest.fixture(scope="module")
def prod(runner: Runner) -> Deployment:
    return _deployed_by(runner, "prod", _PROD)


@pytest.fixture(scope="module")
def prod_user(prod: Deployment) -> User:
    return User.of(prod)


@pytest.fixture(scope="module")
def before(prod: Deployment, prod_user: User) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """What the account holds, and how production is, before the pull request is opened."""
    assert prod.attached_policies(prod_user.identity_id) == ["myIoTPolicy-prod"]
    return inventory(prod.cloud), _state(prod)


@pytest.fixture(scope="module")
def pull_request(runner: Runner, before: object) -> Deployment:
    assert before
    return _deployed_by(runner, "pull-request", _PR)


@pytest.fixture(scope="module")
def pull_request_user(pull_request: Deployment) -> User:
    return User.of(pull_request)


@pytest.fixture(scope="module")
def destroyed(runner: Runner, prod: Deployment, prod_user: User, pull_request_user: User) -> Destroyed:
    """Close the pull request while a user of each environment is connected."""
    assert pull_request_user.identity_id
    with connected(prod.cloud, prod_user.credentials, str(uuid.uuid4())) as mqtt:
        assert mqtt.subscribe(_ORDERS) == 0
        shown = runner.run("pull-request-closed")
        assert mqtt.publish(_ORDERS, b"afterwards") == 0
        message = mqtt.message()
    return Destroyed(shown, [message.payload.decode()] if message else [])


def test_each_deployment_leaves_the_smoke_tests_results_as_junit(
    runner: Runner, prod: Deployment, pull_request: Deployment
) -> None:
    for deployment, stack in ((prod, _PROD), (pull_request, _PR)):
        root = ET.fromstring((deployment.app.directory / "smoke.xml").read_text())
        suite = root.find("testsuite")
        assert suite is not None
        assert suite.attrib["name"] == f"pubsub smoke {stack}"
        assert len(suite.findall("testcase")) == int(suite.attrib["tests"]) > 20
        assert [suite.attrib[each] for each in ("failures", "errors", "skipped")] == ["0", "0", "0"]
    uploaded = [
        step["with"]["path"] for job in JOBS.values() for step in job["steps"] if "upload" in step.get("uses", "")
    ]
    assert uploaded == ["smoke.xml", "smoke.xml"]
    assert (runner.checkout / "smoke.xml").exists()


def test_nothing_of_one_environment_is_the_others(prod: Deployment, pull_request: Deployment) -> None:
    theirs, ours = resources_of(prod.cloud, _PROD), resources_of(prod.cloud, _PR)
    assert theirs.isdisjoint(ours)
    assert ours | theirs <= inventory(prod.cloud)  # so that what is left behind would be seen
    assert (prod.policy_name, pull_request.policy_name) == ("myIoTPolicy-prod", "myIoTPolicy-pr-7")
    shared = {Output.REGION, Output.PUBSUB_ENDPOINT, Output.ACCESS_MODE}
    same = {name for name, value in prod.outputs.items() if pull_request.outputs[name] == value}
    assert same == shared


def test_users_are_attached_to_the_policy_of_their_own_environment_alone(
    prod: Deployment, prod_user: User, pull_request: Deployment, pull_request_user: User
) -> None:
    assert pull_request.attached_policies(pull_request_user.identity_id) == ["myIoTPolicy-pr-7"]
    assert prod.attached_policies(prod_user.identity_id) == ["myIoTPolicy-prod"]


def test_a_user_of_a_pull_request_gets_into_neither_pool_of_production(
    prod: Deployment, pull_request_user: User
) -> None:
    users = prod.public("cognito-idp")
    with pytest.raises(users.exceptions.NotAuthorizedException):
        prod.sign_in(pull_request_user.name)
    with pytest.raises(ClientError) as refused:
        prod.identity_id(pull_request_user.tokens)
    assert refused.value.response["Error"]["Code"] in {"NotAuthorizedException", "InvalidParameterException"}
    assert prod.self_attach(pull_request_user.credentials).status == 403


def test_a_user_of_a_pull_request_reaches_no_topics_of_production(
    prod: Deployment, prod_user: User, pull_request_user: User
) -> None:
    cloud, others = prod.cloud, pull_request_user.credentials
    for topic, allowed in (("pr/room", True), (_ORDERS, False), ("#", False), ("+/1", False)):
        with connected(cloud, others, str(uuid.uuid4())) as mqtt:
            assert (mqtt.subscribe(topic) == 0) is allowed, topic
    with connected(cloud, prod_user.credentials, str(uuid.uuid4())) as production:
        assert production.subscribe(_ORDERS) == 0
        with connected(cloud, others, str(uuid.uuid4())) as mqtt:
            mqtt.publish(_ORDERS, b"forged")
        assert production.publish(_ORDERS, b"real") == 0
        message = production.message()
        assert message is not None
        assert message.payload == b"real"


def test_a_connection_to_production_outlives_the_pull_requests_environment(destroyed: Destroyed) -> None:
    assert "about 1, LOST with it" in destroyed.shown
    assert destroyed.heard == ["afterwards"]


def test_nothing_of_the_pull_requests_environment_is_left(
    prod: Deployment,
    before: tuple[set[tuple[str, str]], object],
    destroyed: Destroyed,
    pull_request_user: User,
) -> None:
    assert destroyed
    assert inventory(prod.cloud) == before[0]
    assert prod.attached_policies(pull_request_user.identity_id) == []


def test_production_is_as_it_was(
    prod: Deployment, before: tuple[object, dict[str, Any]], destroyed: Destroyed, prod_user: User
) -> None:
    assert destroyed
    assert _state(prod) == before[1]
    with connected(prod.cloud, prod_user.credentials, str(uuid.uuid4())) as mqtt:
        assert mqtt.subscribe(_ORDERS) == 0


@pytest.mark.parametrize("command", ["smoke", "doctor"])
def test_production_is_sound_afterwards(prod: Deployment, destroyed: Destroyed, command: str) -> None:
    assert destroyed
    done = run_pubsub([command, "--environment", "prod", "--timeout", "3"], prod.cloud.environment())
    assert done.returncode == 0, done.stdout + done.stderr


class TestWorkflow:
    def test_no_pull_request_of_a_fork_is_given_credentials(self) -> None:
        assert set(WORKFLOW[True]) == {"push", "pull_request"}  # "on" is a boolean in YAML 1.1
        own = "github.event.pull_request.head.repo.full_name == github.repository"
        for job in JOBS.values():
            assert own in job["if"] or job["if"] == "github.event_name == 'push'"

    def test_a_job_may_read_the_repository_and_ask_for_an_identity_and_no_more(self) -> None:
        assert WORKFLOW["permissions"] == {}
        assert [job["permissions"] for job in JOBS.values()] == [{"contents": "read", "id-token": "write"}] * 3

    def test_packages_are_installed_before_there_are_credentials(self) -> None:
        for job in JOBS.values():
            steps = [step.get("run") or step["uses"].partition("@")[0] for step in job["steps"]]
            assert steps.index("make setup") < steps.index("aws-actions/configure-aws-credentials")

    def test_an_environment_is_deployed_and_destroyed_by_one_job_at_a_time(self) -> None:
        groups = {name: job["concurrency"] for name, job in JOBS.items()}
        assert groups["pull-request"] == groups["pull-request-closed"]
        assert "github.event.number" in groups["pull-request"]["group"]
        assert groups["prod"]["group"] != groups["pull-request"]["group"]
        assert not any(each.get("cancel-in-progress") for each in groups.values())

    def test_what_github_puts_in_is_no_part_of_a_script(self) -> None:
        scripts = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
        assert scripts
        assert not any("${{" in script for script in scripts)


def _deployed_by(runner: Runner, job: str, stack: str) -> Deployment:
    """Run a job, and keep what it leaves in the checkout."""
    shown = runner.run(job)
    assert re.search(rf"^  stack +{re.escape(stack)}$", shown, re.MULTILINE), shown
    kept: Path = runner.checkout.with_name(job)
    shutil.copytree(runner.checkout / "cdk.out", kept / "cdk.out")
    shutil.copy(runner.checkout / "smoke.xml", kept)
    (described,) = runner.cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    return Deployment(runner.cloud, CdkApp(runner.cloud, kept), outputs)


def _state(deployment: Deployment) -> dict[str, Any]:
    """Return how an environment is: what others could change of it by their coming and going."""
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
