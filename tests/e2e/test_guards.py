"""What keeps signed-in users off the control plane, other than the boundary: a deny, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, check, deploy_environment

if TYPE_CHECKING:
    from local_cloud.process import LocalCloud


@pytest.fixture(scope="module")
def bounded(account: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam = account.client("iam")
    iam.create_policy(PolicyName="Developers", PolicyDocument=json.dumps(allow))
    directory = tmp_path_factory.mktemp("bounded")
    return deploy_environment(account, directory, "bounded", {"permissionsBoundary": "Developers"})


def test_the_smoke_test_passes_and_quotes_the_deny(bounded: Deployment) -> None:
    document = bounded.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert check(document, "PS301")["detail"].startswith("deny ")
    assert "explicit deny" in check(document, "PS312")["detail"]


def test_every_role_has_the_accounts_boundary(bounded: Deployment) -> None:
    iam = bounded.cloud.client("iam")
    pages = bounded.cloud.client("cloudformation").get_paginator("list_stack_resources")
    roles = [
        each["PhysicalResourceId"]
        for page in pages.paginate(StackName=bounded.app.stack_name)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::IAM::Role"
    ]
    assert roles
    for role in roles:
        boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        assert boundary.endswith(":policy/Developers"), role


def test_the_deny_detached_is_named_with_the_command_that_mends_it(bounded: Deployment) -> None:
    iam = bounded.cloud.client("iam")
    role = bounded.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    (deny,) = (each["PolicyArn"] for each in attached if "ControlPlaneDeny" in each["PolicyName"])
    iam.detach_role_policy(RoleName=role, PolicyArn=deny)
    try:
        failure = check(bounded.smoke(), "PS301")
        assert failure["status"] == "failed"
        assert failure["fix"] == f"aws iam attach-role-policy --role-name {role} --policy-arn {deny}"
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=deny)


@pytest.fixture(scope="module")
def documented(account: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    directory = tmp_path_factory.mktemp("documented")
    return deploy_environment(account, directory, "documented", {"accessMode": "documented"})


def test_the_smoke_test_passes_and_says_that_nothing_guards(documented: Deployment) -> None:
    document = documented.smoke()
    assert document["summary"]["exit_code"] == 0, document
    assert check(document, "PS301")["detail"] == "not guarded, as accessMode documented wants it"
    assert check(document, "PS312")["status"] == "skipped"


def test_a_user_reaches_the_control_plane_as_the_guide_lets_them(documented: Deployment) -> None:
    user = documented.credentials(documented.sign_in(documented.make_user()))
    names = [each["policyName"] for each in documented.as_user("iot", user).list_policies()["policies"]]
    assert documented.policy_name in names
