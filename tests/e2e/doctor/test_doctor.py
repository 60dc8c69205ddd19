"""What `pubsub doctor` says besides naming single causes."""

from __future__ import annotations

import json
import re
import subprocess

from local_cloud.faults import Effect, Fail, Malformed
from pubsub_client.outputs import Output
from tests.e2e.commands import run_pubsub
from tests.e2e.doctor.asked import Asked, about_identity, about_nobody, about_token, about_user
from tests.e2e.doctor.patient import Patient, Stage
from tests.e2e.doctor.restoring import READS
from tests.e2e.doctor.running import run_doctor

_DATA_ACCESS = "arn:aws:iam::aws:policy/AWSIoTDataAccess"


def _spoken(patient: Patient, asked: Asked, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor as a person does, who reads what it says."""
    environment = patient.deployment.cloud.environment() | variables
    return run_pubsub(["doctor", *asked.options, *options], environment, asked.stdin)


def _unwire(patient: Patient) -> None:
    pool = patient.users.describe_user_pool(UserPoolId=patient.user_pool_id)["UserPool"]
    wired = {name: arn for name, arn in pool["LambdaConfig"].items() if name != "PostAuthentication"}
    patient.users.update_user_pool(UserPoolId=patient.user_pool_id, LambdaConfig=wired)


def _detach(patient: Patient) -> None:
    patient.iot.detach_policy(policyName=patient.policy, target=patient.identity_id)


class TestHealthy:
    def test_nothing_is_found_and_nothing_is_changed(self, patient: Patient) -> None:
        before = patient.deployment.cloud.calls()
        report = run_doctor(patient.deployment.cloud, about_user(patient))
        assert (report.told, report.exit_code) == ([], 0)
        called = {name.partition(":")[2] for name in patient.deployment.calls_of(before)}
        signing_in = {"InitiateAuth", "RespondToAuthChallenge", "RevokeToken"}
        assert {name for name in called if not READS.match(name)} == signing_in

    def test_nothing_is_found_for_an_id_token(self, patient: Patient) -> None:
        report = run_doctor(patient.deployment.cloud, about_token(patient))
        assert (report.told, report.exit_code) == ([], 0)

    def test_json_document_is_that_of_the_contract(self, patient: Patient) -> None:
        done = _spoken(patient, about_identity(patient), "--json")
        document = json.loads(done.stdout)
        assert (document["schema"], document["command"], document["stack"]) == (1, "doctor", "AmplifyPubSub")
        assert {
            "id", "group", "title", "status", "cause", "resource", "fix", "docs", "duration_ms"
        } <= document["checks"][0].keys()  # fmt: skip
        assert {each["status"] for each in document["checks"]} == {"passed", "skipped"}

    def test_last_line_says_so_and_how_many_seconds_it_took(self, patient: Patient) -> None:
        done = _spoken(patient, about_nobody(patient))
        assert done.returncode == 0, done.stdout
        last = done.stdout.splitlines()[-1]
        assert re.fullmatch(
            r"doctor: nothing is wrong: \d+ passed, \d+ skipped, \d+\.\d s; to check a user too: --user NAME",
            last,
        )


def test_two_causes_at_once_are_both_named(patient: Patient) -> None:
    _unwire(patient)
    patient.iam.delete_role_permissions_boundary(RoleName=patient.auth_role)
    report = run_doctor(patient.deployment.cloud, about_user(patient))
    named = {each["id"]: each["cause"] for each in report.bad}
    assert named.keys() == {"PS112", "PS301"}, report.told
    assert "PostAuthentication trigger is not set" in named["PS112"]
    assert "AuthRole has nothing as its permissions boundary" in named["PS301"]


def test_answers_nobody_expects_are_told_with_their_operation(patient: Patient) -> None:
    """By the operation that answers: the answer, the check that asks, and what it finds."""
    answers: dict[str, tuple[Effect, str, str, str]] = {
        "iot:GetPolicy": (Fail("WeatherException", 418), "PS111", "failed", "WeatherException"),
        "cognito-identity:DescribeIdentityPool": (Malformed(), "PS115", "failed", "not JSON|ResponseParserError"),
        "sqs:GetQueueAttributes": (Fail("ThrottlingException"), "PS603", "unknown", "ThrottlingException"),
        "iam:ListAttachedRolePolicies": (Fail("AccessDeniedException", 403), "PS301", "unknown", "AccessDenied"),
    }
    cloud, asked = patient.deployment.cloud, about_nobody(patient)
    for operation, (effect, check_id, *_) in answers.items():
        patient.cleanup.enter_context(cloud.fault(operation, effect))
        asked = asked.and_("--only", check_id)
    report = run_doctor(cloud, asked, cloud.environment() | {"AWS_MAX_ATTEMPTS": "1"})
    assert report.exit_code == 1
    for operation, (_, check_id, status, told) in answers.items():
        check = report.check(check_id)
        assert check["status"] == status, (check, report.told)
        assert operation.partition(":")[2] in check["cause"]
        assert re.search(told, check["cause"])


class TestAsTheFrontEndsUser:
    """With an ID token and no AWS credentials."""

    def _ask(self, patient: Patient) -> Asked:
        outputs = patient.deployment.outputs
        file = patient.directory / f"{patient.user}.jwt"
        file.write_text(patient.tokens["IdToken"])
        ids = {
            "--region": outputs[Output.REGION],
            "--identity-pool-id": patient.identity_pool_id,
            "--endpoint": outputs[Output.PUBSUB_ENDPOINT],
            "--id-token": str(file),
            "--topic": "news/today",
        }
        asked = about_nobody(patient)
        return type(asked)(tuple(word for option in ids.items() for word in option))

    def _variables(self, patient: Patient) -> dict[str, str]:
        variables = patient.deployment.cloud.environment()
        return {name: value for name, value in variables.items() if name not in _CREDENTIALS}

    def test_a_healthy_deployment_is_seen_up_to_the_message_that_comes_back(self, patient: Patient) -> None:
        report = run_doctor(patient.deployment.cloud, self._ask(patient), self._variables(patient))
        assert report.told == []
        assert {"PS106", "PS201", "PS302", "PS401", "PS402", "PS501"} <= report.passed

    def test_what_is_wrong_is_told_and_what_an_operator_must_look_at(self, patient: Patient) -> None:
        _detach(patient)
        assert patient.chat(patient.tokens) is Stage.CONNECT
        asked = self._ask(patient)
        done = run_pubsub(["doctor", *asked.options], self._variables(patient))
        assert done.returncode == 1
        said, _, left = done.stdout.partition("The remaining checks need an operator's credentials:")
        assert re.search(r"PS401.*FAILED", said)
        assert re.search(r"PS203 .*attached", left)
        assert f"run: pubsub doctor --identity-id {patient.identity_id}" in left
        assert "Traceback" not in done.stderr


_CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


class TestFix:
    def test_what_is_safe_is_mended_and_looked_at_again(self, patient: Patient) -> None:
        _detach(patient)
        done = _spoken(patient, about_user(patient), "--only", "PS203", "--fix", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        before, _, after = done.stdout.partition("Checked again:")
        assert "PS203" in before
        assert re.search(r"doctor: nothing is wrong", after)
        assert patient.deployment.attached_policies(patient.identity_id) == [patient.policy]
        assert patient.chat() is Stage.ALL

    def test_what_takes_something_away_is_left_to_people(self, patient: Patient) -> None:
        patient.iam.put_role_permissions_boundary(RoleName=patient.auth_role, PermissionsBoundary=_DATA_ACCESS)
        done = _spoken(patient, about_nobody(patient), "--only", "PS301", "--fix", "--yes")
        assert done.returncode == 1
        assert "aws iam put-role-permissions-boundary" in done.stdout
        role = patient.iam.get_role(RoleName=patient.auth_role)["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == _DATA_ACCESS


class TestSelection:
    def test_only_runs_a_check_and_what_it_rests_on(self, patient: Patient) -> None:
        report = run_doctor(patient.deployment.cloud, about_nobody(patient).and_("--only", "PS301"))
        assert report.passed == {"PS101", "PS301"}
        assert {each["id"] for each in report.checks} == report.passed

    def test_skip_leaves_a_check_out_and_what_rests_on_it(self, patient: Patient) -> None:
        _unwire(patient)
        asked = about_identity(patient).and_("--skip", "PS112", "--only", "PS203")
        report = run_doctor(patient.deployment.cloud, asked)
        assert report.told == []
        assert report.check("PS112")["cause"] == "left out by --skip"
        assert report.check("PS203")["cause"] == "depends on PS112, which did not pass"
        assert report.exit_code == 0
