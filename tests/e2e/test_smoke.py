"""`pubsub smoke` against a healthy deployment, and against each fault it must name."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, check
from tests.e2e.doctor.running import run_fix
from tests.processes import ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Deployment


def _first_failure(document: dict[str, Any]) -> dict[str, Any]:
    failure: dict[str, Any] = next(each for each in document["checks"] if each["status"] == "failed")
    return failure


def _smoke_users(deployment: Deployment) -> list[str]:
    pages = deployment.cloud.client("cognito-idp").get_paginator("list_users")
    users = [user for page in pages.paginate(UserPoolId=deployment.user_pool_id) for user in page["Users"]]
    return [user["Username"] for user in users if user["Username"].startswith("pubsub-smoke-")]


def _targets(deployment: Deployment) -> set[str]:
    pages = deployment.cloud.client("iot").get_paginator("list_targets_for_policy")
    return {target for page in pages.paginate(policyName="myIoTPolicy") for target in page["targets"]}


class TestHealthy:
    def test_every_check_passes_and_the_last_line_says_so(self, deployment: Deployment) -> None:
        done = deployment.pubsub("smoke")
        assert done.returncode == 0, done.stdout + done.stderr
        last = done.stdout.splitlines()[-1]
        assert re.fullmatch(r"smoke test passed: \d+ checks, sign-in to first message \d+\.\d s", last)
        assert "FAILED" not in done.stdout
        assert done.stderr == ""

    def test_the_json_document_is_that_of_the_contract(self, deployment: Deployment) -> None:
        document = deployment.smoke()
        assert (document["schema"], document["command"], document["stack"]) == (1, "smoke", "AmplifyPubSub")
        assert document["region"] == deployment.cloud.region
        assert {each["status"] for each in document["checks"]} == {"passed"}
        assert {
            "id", "group", "title", "status", "cause", "resource", "fix", "docs", "duration_ms"
        } <= document["checks"][0].keys()  # fmt: skip
        summary = document["summary"]
        assert (summary["passed"], summary["failed"], summary["unknown"], summary["exit_code"]) == (
            len(document["checks"]),
            0,
            0,
            0,
        )

    def test_it_says_which_policy_refused_the_control_plane(self, deployment: Deployment) -> None:
        (check,) = (each for each in deployment.smoke()["checks"] if each["id"] == "PS312")
        assert "no permissions boundary allows the iot:AttachPolicy action" in check["detail"]
        assert "no permissions boundary allows the iot:CreatePolicyVersion action" in check["detail"]

    def test_it_removes_what_it_made(self, deployment: Deployment) -> None:
        attached = _targets(deployment)
        deployment.smoke()
        assert _smoke_users(deployment) == []
        assert _targets(deployment) == attached

    def test_two_at_once_do_not_disturb_each_other(self, deployment: Deployment) -> None:
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda _: deployment.smoke("--timeout", "20"), range(2))
        assert first["summary"]["exit_code"] == second["summary"]["exit_code"] == 0
        assert {each["status"] for each in first["checks"] + second["checks"]} == {"passed"}

    def test_redact_masks_identity_ids(self, deployment: Deployment) -> None:
        identity_id = re.compile(r"us-east-1:[0-9a-f]{8}-")
        assert identity_id.search(json.dumps(deployment.smoke()["checks"]))
        assert not identity_id.search(json.dumps(deployment.smoke("--redact")["checks"]))
        assert not identity_id.search(deployment.pubsub("smoke", "--redact").stdout)

    def test_a_check_can_be_left_out(self, deployment: Deployment) -> None:
        document = deployment.smoke("--skip", "PS204", "--skip", "PS502")
        skipped = {each["id"]: each["cause"] for each in document["checks"] if each["status"] == "skipped"}
        assert skipped == {"PS204": "left out by --skip", "PS502": "left out by --skip"}
        assert document["summary"]["exit_code"] == 0

    def test_the_results_are_written_as_junit_xml(self, deployment: Deployment, tmp_path: Path) -> None:
        file = tmp_path / "results.xml"
        deployment.smoke("--junit", str(file))
        (suite,) = ET.parse(file).getroot()
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(len(suite)), "0", "0")

    def test_an_existing_user_is_used_and_kept(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        done = deployment.pubsub("smoke", "--json", "--user", user, "--password-stdin", stdin=PASSWORD + "\n")
        document = json.loads(done.stdout)
        assert done.returncode == 0, done.stderr
        skipped = {each["id"]: each["cause"] for each in document["checks"] if each["status"] == "skipped"}
        assert skipped.keys() == {"PS403", "PS412", "PS413", "PS204"}
        assert skipped["PS412"] == "needs users of its own, and none may be made"
        identity_id = deployment.identity_id(deployment.sign_in(user))
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3])
    def test_interrupted_it_removes_what_it_made_and_exits_with_130(
        self, deployment: Deployment, number: signal.Signals, seconds: float
    ) -> None:
        """At several moments: while the user is made, signed in and attached."""
        attached = _targets(deployment)
        running = subprocess.Popen(
            [sys.executable, "-m", "pubsub_client", "smoke"],
            env=deployment.cloud.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with ended(running):
            deadline = time.monotonic() + 20
            while not _smoke_users(deployment) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert _smoke_users(deployment)
            time.sleep(seconds)
            os.kill(running.pid, number)
            _, stderr = running.communicate(timeout=30)
        assert running.returncode == 130, stderr
        assert stderr == "pubsub: interrupted; what the run had made is removed\n"
        assert _smoke_users(deployment) == []
        assert _targets(deployment) == attached


class TestFaults:
    """Each fault is made with AWS calls alone; the first failure must be the check that names it."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, deployment: Deployment) -> Iterator[None]:
        """A run that fails removes what it made, as one that passes does."""
        attached = _targets(deployment)
        yield
        assert _smoke_users(deployment) == []
        assert _targets(deployment) <= attached

    @pytest.fixture
    def trigger_unwired(self, deployment: Deployment) -> Iterator[None]:
        users = deployment.cloud.client("cognito-idp")
        wired = users.describe_user_pool(UserPoolId=deployment.user_pool_id)["UserPool"]["LambdaConfig"]
        without = {name: arn for name, arn in wired.items() if name != "PostAuthentication"}
        users.update_user_pool(UserPoolId=deployment.user_pool_id, LambdaConfig=without)
        yield
        users.update_user_pool(UserPoolId=deployment.user_pool_id, LambdaConfig=wired)

    @pytest.mark.usefixtures("trigger_unwired")
    def test_the_trigger_unwired(self, deployment: Deployment) -> None:
        document = deployment.smoke()
        failure = _first_failure(document)
        assert failure["id"] == "PS112"
        assert "PostAuthentication trigger is not set" in failure["cause"]
        assert failure["resource"] == deployment.user_pool_id
        (attached,) = (each for each in document["checks"] if each["id"] == "PS203")
        assert (attached["status"], attached["cause"]) == ("skipped", "rests on PS112, which did not pass")

    def test_the_permission_to_attach_removed(self, deployment: Deployment) -> None:
        role, name, document = deployment.inline_policy(Output.POST_AUTHENTICATION_FUNCTION_NAME, "iot:AttachPolicy")
        iam = deployment.cloud.client("iam")
        without = json.loads(json.dumps(document).replace("iot:AttachPolicy", "iot:AttachPolicyNot"))
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without))
        try:
            with deployment.worker_stopped():
                failure = _first_failure(deployment.smoke())
                assert failure["id"] == "PS118"
                assert f"{role} may not call iot:AttachPolicy (implicitDeny)" in failure["cause"]
                # The printed command, run word for word, mends it.
                run_fix(deployment.cloud, failure["fix"])
                assert check(deployment.smoke(), "PS203")["status"] == "passed"
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
            iam.delete_role_policy(RoleName=role, PolicyName="AttachPolicy")

    def test_what_the_trigger_says_is_the_cause_of_a_missing_attachment(self, deployment: Deployment) -> None:
        refused = deployment.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException"))
        with deployment.worker_stopped(), refused:
            failure = _first_failure(deployment.smoke())
        assert failure["id"] == "PS203"
        assert "says: Queued, AttachPolicy: AccessDeniedException" in failure["cause"]
        assert failure["fix"].startswith("aws iam put-role-policy ")

    def test_an_attachment_that_comes_late_is_a_warning_with_the_triggers_word(self, deployment: Deployment) -> None:
        """Throttled at sign-in and for some turns of the worker's."""
        with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException"), times=6):
            late = check(deployment.smoke("--timeout", "30"), "PS203")
        assert late["status"] == "warning"
        assert "says: Queued, AttachPolicy: ThrottlingException" in late["cause"]

    def test_the_policy_deleted(self, deployment: Deployment) -> None:
        iot = deployment.cloud.client("iot")
        document = iot.get_policy(policyName="myIoTPolicy")["policyDocument"]
        for target in _targets(deployment):
            iot.detach_policy(policyName="myIoTPolicy", target=target)
        iot.delete_policy(policyName="myIoTPolicy")
        try:
            failure = _first_failure(deployment.smoke())
            assert failure["id"] == "PS111"
            assert "The IoT policy myIoTPolicy does not exist" in failure["cause"]
            # The printed command, run word for word, makes it as it was.
            run_fix(deployment.cloud, failure["fix"].splitlines()[0].removesuffix(" &&"))
            made = iot.get_policy(policyName="myIoTPolicy")["policyDocument"]
            assert _statements(made) == _statements(document)
        finally:
            deployment.forget_what_is_owed()
            with suppress(iot.exceptions.ResourceAlreadyExistsException):
                iot.create_policy(policyName="myIoTPolicy", policyDocument=document)
        assert deployment.smoke()["summary"]["exit_code"] == 0

    def test_a_role_without_all_of_it_gets_the_guard_first(self, deployment: Deployment) -> None:
        """What AWSIoTConfigAccess allows would be open to everybody in between."""
        iam = deployment.cloud.client("iam")
        role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
        boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        config_access = {"RoleName": role, "PolicyArn": "arn:aws:iam::aws:policy/AWSIoTConfigAccess"}
        iam.detach_role_policy(**config_access)
        iam.delete_role_permissions_boundary(RoleName=role)
        try:
            failure = check(deployment.smoke(), "PS301")
        finally:
            iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
            iam.attach_role_policy(**config_access)
        guard, attach = failure["fix"].splitlines()
        put = f"aws iam put-role-permissions-boundary --role-name {role} --permissions-boundary {boundary}"
        assert guard == f"{put} &&"  # in a shell nothing is attached without it
        assert attach.startswith("aws iam attach-role-policy ")

    @pytest.mark.parametrize("policy", ["AWSIoTDataAccess", "AWSIoTConfigAccess"])
    def test_a_managed_policy_detached(self, deployment: Deployment, policy: str) -> None:
        iam = deployment.cloud.client("iam")
        role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
        attachment = {"RoleName": role, "PolicyArn": f"arn:aws:iam::aws:policy/{policy}"}
        iam.detach_role_policy(**attachment)
        try:
            failure = _first_failure(deployment.smoke())
            assert failure["id"] == "PS301"
            assert f"AuthRole lacks {policy}" in failure["cause"]
            assert failure["fix"] == (
                f"aws iam attach-role-policy --role-name {role} --policy-arn arn:aws:iam::aws:policy/{policy}"
            )
        finally:
            iam.attach_role_policy(**attachment)

    def test_the_boundary_removed(self, deployment: Deployment) -> None:
        iam = deployment.cloud.client("iam")
        role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
        boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        iam.delete_role_permissions_boundary(RoleName=role)
        try:
            failure = _first_failure(deployment.smoke())
            assert failure["id"] == "PS301"
            assert "AuthRole has nothing as its permissions boundary" in failure["cause"]
        finally:
            iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)

    def test_another_boundary(self, deployment: Deployment) -> None:
        iam = deployment.cloud.client("iam")
        role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
        boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        other = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
        iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=other)
        try:
            failure = _first_failure(deployment.smoke())
            assert failure["id"] == "PS301"
            assert other in failure["cause"]
            run_fix(deployment.cloud, failure["fix"])
            assert deployment.smoke()["summary"]["exit_code"] == 0
        finally:
            iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)

    def test_a_boundary_that_bounds_nothing(self, deployment: Deployment) -> None:
        iam, iot = deployment.cloud.client("iam"), deployment.cloud.client("iot")
        role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
        boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        policy = iam.get_policy(PolicyArn=boundary)["Policy"]
        bounding = iam.get_policy_version(PolicyArn=boundary, VersionId=policy["DefaultVersionId"])
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        self._set_document(deployment, boundary, everything)
        try:
            failure = _first_failure(deployment.smoke())
            assert failure["id"] == "PS312"
            assert "may call AttachPolicy and CreatePolicyVersion" in failure["cause"]
            # What the user could make after all is gone again.
            assert len(iot.list_policy_versions(policyName="myIoTPolicy")["policyVersions"]) == 1
        finally:
            self._set_document(deployment, boundary, bounding["PolicyVersion"]["Document"])
        assert deployment.smoke()["summary"]["exit_code"] == 0

    def _set_document(self, deployment: Deployment, policy_arn: str, document: object) -> None:
        deployment.cloud.client("iam").create_policy_version(
            PolicyArn=policy_arn, PolicyDocument=json.dumps(document), SetAsDefault=True
        )

    def test_the_marker_cannot_be_written(self, deployment: Deployment) -> None:
        action = "cognito-idp:AdminUpdateUserAttributes"
        role, name, document = deployment.inline_policy(Output.POST_AUTHENTICATION_FUNCTION_NAME, action)
        iam = deployment.cloud.client("iam")
        without = json.loads(json.dumps(document).replace(action, f"{action}Not"))
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without))
        try:
            document_of_run = deployment.smoke()
            (check,) = (each for each in document_of_run["checks"] if each["status"] == "warning")
            assert check["id"] == "PS122"
            assert "no current marker after two sign-ins" in check["cause"]
            reasons = [line["reason"] for line in deployment.trigger_lines()]
            assert "not marked: AdminUpdateUserAttributes: AccessDeniedException" in reasons
            assert document_of_run["summary"]["exit_code"] == 0
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def test_the_trigger_does_not_receive_the_marker(self, deployment: Deployment) -> None:
        with deployment.cloud.only_readable_attributes_in_events():
            failure = _first_failure(deployment.smoke())
        assert failure["id"] == "PS122"
        assert "the trigger missed it at the repeat sign-in: its log says Attached" in failure["cause"]
        assert deployment.smoke()["summary"]["exit_code"] == 0

    def test_an_identity_attached_some_other_way(self, deployment: Deployment) -> None:
        """Then the refusal that must come does not."""
        functions = deployment.cloud.client("lambda")
        trigger = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        variables = functions.get_function_configuration(FunctionName=trigger)["Environment"]["Variables"]
        # A trigger that takes no marker for current attaches the policy to the marked user too.
        changed = variables | {"ATTACHMENT_MARKER": "another"}
        functions.update_function_configuration(FunctionName=trigger, Environment={"Variables": changed})
        try:
            failures = [each for each in deployment.smoke()["checks"] if each["status"] == "failed"]
            assert [each["id"] for each in failures] == ["PS412"]
            assert "could connect" in failures[0]["cause"]
        finally:
            functions.update_function_configuration(FunctionName=trigger, Environment={"Variables": variables})

    def test_guest_access_turned_on(self, deployment: Deployment) -> None:
        pools = deployment.cloud.client("cognito-identity")
        described = pools.describe_identity_pool(IdentityPoolId=deployment.outputs[Output.IDENTITY_POOL_ID])
        pool = {name: value for name, value in described.items() if value != "" and name != "ResponseMetadata"}
        pools.update_identity_pool(**pool | {"AllowUnauthenticatedIdentities": True})
        try:
            failure = _first_failure(deployment.smoke())
            assert (failure["id"], failure["cause"]) == ("PS311", "The identity pool gives identities to guests.")
        finally:
            pools.update_identity_pool(**pool)


class TestCouldNotRun:
    def test_no_such_stack_is_2_and_one_line(self, deployment: Deployment) -> None:
        done = deployment.pubsub("smoke", "--stack", "Other")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("pubsub: there is no stack Other in us-east-1: deploy it with `cdk deploy`")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--user", "ada"),
            ("--password-stdin",),
            ("--timeout", "soon"),
            ("--timeout", "0"),
            ("--nonsense",),
            ("--skip", "PS999"),
            ("--junit", "/no/such/directory/results.xml"),
            ("--endpoint-url", "localhost:1"),
        ],
    )
    def test_wrong_use_is_2_and_names_the_option(self, deployment: Deployment, arguments: tuple[str, ...]) -> None:
        done = deployment.pubsub("smoke", *arguments)
        assert done.returncode == 2
        assert arguments[0] in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("changes", "line"),
        [
            ({"AWS_PROFILE": "missing"}, "pubsub: The config profile (missing) could not be found"),
            ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "pubsub: Unable to locate credentials: give"),
            ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "pubsub: no region: give --region or AWS_REGION"),
        ],
        ids=["profile", "credentials", "region"],
    )
    def test_what_is_missing_is_2_and_one_line(
        self, deployment: Deployment, changes: dict[str, str], line: str
    ) -> None:
        environment = {name: value for name, value in (deployment.cloud.environment() | changes).items() if value}
        done = subprocess.run(
            [sys.executable, "-m", "pubsub_client", "smoke"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(line)
        assert "Traceback" not in done.stderr


def _statements(document: str) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in json.loads(document)["Statement"])
