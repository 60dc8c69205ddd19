"""Environments side by side in one account and region: a pull request's comes and goes beside production.

The steps of the pipeline's example deploy and destroy it while production's users are signed in and connected.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError

from pubsub_client.outputs import Output
from tests.e2e.bootstrapped import bootstrapped
from tests.e2e.conftest import Deployment, deploy, warm
from tests.e2e.inventory import inventory, resources_of
from tests.e2e.stack_app import StackApp
from tests.e2e.workflow import JOBS, WORKFLOW, Runner
from tests.integration.local_cloud.account import Credentials
from tests.integration.local_cloud.mqtt import connected

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


def test_environment_of_a_pull_request_comes_and_goes_beside_production(tmp_path: Path) -> None:
    with bootstrapped(tmp_path) as cloud:
        prod = deploy(StackApp(cloud, tmp_path / "prod", environment="prod"))
        warm(prod)
        user = User.of(prod)
        assert prod.attached_policies(user.identity_id) == ["myIoTPolicy-prod"]
        held, state = inventory(cloud), _state(prod)
        runner = Runner.make(cloud, tmp_path)

        pull_request = _deployed_by_the_pipeline(runner)
        others = User.of(pull_request)
        assert pull_request.attached_policies(others.identity_id) == ["myIoTPolicy-pr-7"]
        _nothing_is_shared(prod, pull_request)
        _user_gets_into_neither_pool_of_production(prod, others)
        _user_reaches_no_topics_of_production(prod, user, others)

        with connected(cloud, user.credentials, str(uuid.uuid4())) as mqtt:
            assert mqtt.subscribe(_ORDERS) == 0
            shown = runner.run("pull-request-closed")
            assert mqtt.publish(_ORDERS, b"afterwards") == 0
            message = mqtt.message()
        assert message is not None
        assert message.payload == b"afterwards"
        assert "about 1, LOST with it" in shown
        assert inventory(cloud) == held
        assert prod.attached_policies(others.identity_id) == []
        assert _state(prod) == state
        assert prod.smoke()["summary"]["exit_code"] == 0


def _deployed_by_the_pipeline(runner: Runner) -> Deployment:
    shown = runner.run("pull-request")
    assert re.search(rf"^  stack +{re.escape(_PR)}$", shown, re.MULTILINE), shown
    suite = ET.fromstring((runner.checkout / "smoke.xml").read_text()).find("testsuite")
    assert suite is not None
    assert suite.attrib["name"] == f"pubsub smoke {_PR}"
    assert len(suite.findall("testcase")) == int(suite.attrib["tests"]) > 20
    assert [suite.attrib[each] for each in ("failures", "errors", "skipped")] == ["0", "0", "0"]
    kept = runner.checkout.with_name("pull-request")
    shutil.copytree(runner.checkout / "cdk.out", kept / "cdk.out")
    app = StackApp(runner.cloud, kept)
    return Deployment(runner.cloud, app, app.write_outputs())


def _nothing_is_shared(prod: Deployment, pull_request: Deployment) -> None:
    theirs, ours = resources_of(prod.cloud, _PROD), resources_of(prod.cloud, _PR)
    assert theirs.isdisjoint(ours)
    assert ours | theirs <= inventory(prod.cloud)  # so that what is left behind would be seen
    assert (prod.policy_name, pull_request.policy_name) == ("myIoTPolicy-prod", "myIoTPolicy-pr-7")
    same = {name for name, value in prod.outputs.items() if pull_request.outputs[name] == value}
    assert same == {Output.REGION, Output.PUBSUB_ENDPOINT, Output.ACCESS_MODE}


def _user_gets_into_neither_pool_of_production(prod: Deployment, others: User) -> None:
    users = prod.public("cognito-idp")
    with pytest.raises(users.exceptions.NotAuthorizedException):
        prod.sign_in(others.name)
    with pytest.raises(ClientError) as refused:
        prod.identity_id(others.tokens)
    assert refused.value.response["Error"]["Code"] in {"NotAuthorizedException", "InvalidParameterException"}
    assert prod.self_attach(others.credentials).status == 403


def _user_reaches_no_topics_of_production(prod: Deployment, user: User, others: User) -> None:
    cloud = prod.cloud
    for topic, allowed in (("pr/room", True), (_ORDERS, False), ("#", False), ("+/1", False)):
        with connected(cloud, others.credentials, str(uuid.uuid4())) as mqtt:
            assert (mqtt.subscribe(topic) == 0) is allowed, topic
    with connected(cloud, user.credentials, str(uuid.uuid4())) as production:
        assert production.subscribe(_ORDERS) == 0
        with connected(cloud, others.credentials, str(uuid.uuid4())) as mqtt:
            mqtt.publish(_ORDERS, b"forged")
        assert production.publish(_ORDERS, b"real") == 0
        message = production.message()
        assert message is not None
        assert message.payload == b"real"


class TestWorkflow:
    def test_production_is_deployed_as_a_pull_request_is(self) -> None:
        def commands(job: str) -> list[str]:
            return [step["run"].replace('"$ENVIRONMENT"', "prod") for step in JOBS[job]["steps"] if "run" in step]

        assert commands("prod") == commands("pull-request")
        paths = [
            step["with"]["path"] for job in JOBS.values() for step in job["steps"] if "upload" in step.get("uses", "")
        ]
        assert paths == ["smoke.xml", "smoke.xml"]

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
