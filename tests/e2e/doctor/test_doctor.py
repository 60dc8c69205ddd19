"""`pubsub doctor`: its output, its options, end users, unexpected responses of AWS, and `--fix`."""

from __future__ import annotations

import json
import re
import subprocess

from local_cloud.faults import Effect, Fail, Malformed
from pubsub_client.outputs import Output
from tests.e2e.commands import run_pubsub
from tests.e2e.conftest import check
from tests.e2e.doctor.doctor_run import (
    BIN,
    DoctorOptions,
    run_doctor,
    run_fix,
    token_option,
    with_identity,
    with_password,
    with_token,
    without_user,
)
from tests.e2e.doctor.scenarios.sign_in import remove_trigger
from tests.e2e.doctor.simulated_user import TOPIC, SimulatedUser, Stage
from tests.e2e.operator import operator
from tests.processes import run_on_a_terminal

_CONFIG_ACCESS = "arn:aws:iam::aws:policy/AWSIoTConfigAccess"
_DATA_ACCESS = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
_READS = re.compile(r"(Admin)?(Get|List|Describe|Simulate|Test|Filter|Receive)|GET$")


def _run(user: SimulatedUser, options: DoctorOptions, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor with its output for people."""
    return run_pubsub(["doctor", *options.arguments, *more], user.deployment.cloud.environment(), options.stdin)


def test_doctor_finds_nothing_in_a_healthy_deployment_and_changes_nothing(user: SimulatedUser) -> None:
    before = user.deployment.cloud.calls()
    report = run_doctor(user.deployment.cloud, with_password(user))
    assert (report.texts, report.exit_code) == ([], 0)
    called = {name.partition(":")[2] for name in user.deployment.calls_since(before)}
    sign_in = {"InitiateAuth", "RespondToAuthChallenge", "RevokeToken"}
    assert {name for name in called if not _READS.match(name)} == sign_in
    report = run_doctor(user.deployment.cloud, with_token(user))
    assert (report.texts, report.exit_code) == ([], 0)


def test_doctor_ends_with_a_summary(user: SimulatedUser) -> None:
    done = _run(user, without_user(user))
    assert done.returncode == 0, done.stdout
    *_, summary, hint = done.stdout.splitlines()
    assert re.fullmatch(r"doctor: nothing is wrong: \d+ passed, \d+ skipped in \d+\.\d s", summary)
    assert hint == "To check a user too: pubsub doctor --user NAME"


def test_doctor_reports_two_causes_at_once(user: SimulatedUser) -> None:
    remove_trigger(user)
    user.iam.delete_role_permissions_boundary(RoleName=user.auth_role)
    report = run_doctor(user.deployment.cloud, with_password(user))
    causes = {each["id"]: each["cause"] for each in report.findings}
    assert causes.keys() == {"PS112", "PS308"}, report.texts
    assert "PostAuthentication trigger is not set" in causes["PS112"]
    assert "AuthRole has no policy as its permissions boundary" in causes["PS308"]
    for each in report.findings:
        run_fix(user.deployment.cloud, each["fix"])
    assert run_doctor(user.deployment.cloud, with_password(user)).texts == []


def test_doctor_reports_unexpected_answers_of_aws_with_the_operation(user: SimulatedUser) -> None:
    answers: dict[str, tuple[Effect, str, str, str]] = {  # the fault, the check, its status, a part of its cause
        "iot:GetPolicy": (Fail("WeatherException", 418), "PS111", "failed", "WeatherException"),
        "cognito-identity:DescribeIdentityPool": (Malformed(), "PS115", "failed", "not JSON|ResponseParserError"),
        "sqs:GetQueueAttributes": (Fail("ThrottlingException"), "PS603", "unknown", "ThrottlingException"),
        "iam:ListAttachedRolePolicies": (Fail("AccessDeniedException", 403), "PS308", "unknown", "AccessDenied"),
    }
    cloud, options = user.deployment.cloud, without_user(user)
    for operation, (effect, check_id, *_) in answers.items():
        user.cleanup.enter_context(cloud.fault(operation, effect))
        options = options.plus("--only", check_id)
    report = run_doctor(cloud, options, cloud.environment() | {"AWS_MAX_ATTEMPTS": "1"})
    assert report.exit_code == 1
    for operation, (_, check_id, status, text) in answers.items():
        found = report.check(check_id)
        assert found["status"] == status, (found, report.texts)
        assert operation.partition(":")[2] in found["cause"]
        assert re.search(text, found["cause"])


class TestEndUser:
    """With an ID token and without AWS credentials."""

    def _options(self, user: SimulatedUser) -> DoctorOptions:
        outputs = user.deployment.outputs
        ids = {
            "--region": outputs[Output.REGION],
            "--identity-pool-id": user.identity_pool_id,
            "--endpoint": outputs[Output.PUBSUB_ENDPOINT],
            "--topic": TOPIC,
        }
        return DoctorOptions((*(word for option in ids.items() for word in option), *token_option(user)))

    def _environment(self, user: SimulatedUser) -> dict[str, str]:
        variables = user.deployment.cloud.environment()
        return {name: value for name, value in variables.items() if name not in _CREDENTIALS}

    def test_end_user_can_check_up_to_a_received_message(self, user: SimulatedUser) -> None:
        report = run_doctor(user.deployment.cloud, self._options(user), self._environment(user))
        assert report.texts == []
        assert {"PS106", "PS201", "PS302", "PS401", "PS402", "PS501"} <= report.passed

    def test_end_user_sees_which_checks_an_operator_must_run(self, user: SimulatedUser) -> None:
        user.detach()
        assert user.send_message() is Stage.CONNECT
        done = run_pubsub(["doctor", *self._options(user).arguments], self._environment(user))
        assert done.returncode == 1
        checked, _, left = done.stdout.partition("The remaining checks need an operator")
        assert re.search(r"PS401.*FAIL|FAIL.*PS401", checked)
        assert re.search(r"PS203 .*attached", left)
        assert f"pubsub doctor --identity-id {user.identity_id}" in left
        assert "Traceback" not in done.stderr


class TestFix:
    """`--fix` runs only safe commands, asks on a terminal, and stops at the first command that fails."""

    def test_fix_runs_a_safe_command_and_checks_again(self, user: SimulatedUser) -> None:
        user.detach()
        done = _run(user, with_password(user), "--only", "PS203", "--fix", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.index("PS203") < done.stdout.index("hecked again") < done.stdout.index("nothing is wrong")
        assert user.deployment.attached_policies(user.identity_id) == [user.policy]
        assert user.sign_in_and_send() is Stage.DELIVERED

    def test_fix_that_is_declined_on_a_terminal_changes_nothing(self, user: SimulatedUser) -> None:
        user.detach()
        environment = {**user.deployment.cloud.environment(), "TERM": "dumb"}
        environment.pop("CI", None)
        command = [str(BIN / "pubsub"), "doctor", *with_identity(user).arguments, "--only", "PS203", "--fix"]
        code, shown = run_on_a_terminal(command, environment, "n\n")
        assert (code, shown.count("Run it?")) == (1, 1), shown
        assert re.search(r"attach-policy(?:.*\n)+? +declined", shown)
        assert user.deployment.attached_policies(user.identity_id) == []

    def test_fix_does_not_run_a_command_that_removes_something(self, user: SimulatedUser) -> None:
        user.iam.put_role_permissions_boundary(RoleName=user.auth_role, PermissionsBoundary=_DATA_ACCESS)
        done = _run(user, without_user(user), "--only", "PS308", "--fix", "--yes", "--json")
        assert done.returncode == 1
        role = user.iam.get_role(RoleName=user.auth_role)["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == _DATA_ACCESS
        run_fix(user.deployment.cloud, check(json.loads(done.stdout), "PS308")["fix"])

    def test_fix_attaches_no_policy_if_the_guard_is_denied(self, user: SimulatedUser) -> None:
        cloud, role = user.deployment.cloud, {"RoleName": user.auth_role}
        boundary = user.iam.get_role(**role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        user.iam.detach_role_policy(**role, PolicyArn=_CONFIG_ACCESS)
        user.iam.delete_role_permissions_boundary(**role)
        everything_but_boundaries = [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:PutRolePermissionsBoundary", "Resource": "*"},
        ]
        options = [*without_user(user).arguments, "--only", "PS301", "--only", "PS303", "--fix", "--yes", "--json"]
        with operator(cloud, user.deployment.outputs, everything_but_boundaries) as credentials:
            done = run_pubsub(["doctor", *options], cloud.environment() | credentials)
        assert done.returncode == 1, done.stderr
        (fix,) = json.loads(done.stdout)["fixes"]
        assert fix["outcome"] == "failed"
        assert "AccessDenied" in fix["reason"]
        assert "fixes: 1 failed" in done.stderr
        attached = user.iam.list_attached_role_policies(**role)["AttachedPolicies"]
        assert _CONFIG_ACCESS not in [each["PolicyArn"] for each in attached]
        user.iam.put_role_permissions_boundary(**role, PermissionsBoundary=boundary)
        user.iam.attach_role_policy(**role, PolicyArn=_CONFIG_ACCESS)
