"""`pubsub smoke` on a healthy deployment, with faults that only it can find, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from local_cloud.faults import Fail
from pubsub_cli.checks.connection import RoundTrips
from pubsub_cli.checks.self_attach import SelfAttachRepairs
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment, check
from tests.integration.local_cloud.account import wait_until
from tests.processes import ended

_IDENTITY_ID = re.compile(r"us-east-1:[0-9a-f]{8}-")
_NOTHING_TO_TEST = ("PS303", "PS403", "PS413")
"""Checks to skip in a deployment without groups whose topics are all open."""


def _failures(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in document["checks"] if each["status"] == "failed"}


def _smoke_users(deployment: Deployment) -> list[str]:
    pages = deployment.cloud.client("cognito-idp").get_paginator("list_users")
    users = [user for page in pages.paginate(UserPoolId=deployment.user_pool_id) for user in page["Users"]]
    return [user["Username"] for user in users if user["Username"].startswith("pubsub-smoke-")]


def _start(deployment: Deployment, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pubsub_client", "smoke", *options],
        env=deployment.cloud.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def no_leftovers(deployment: Deployment) -> Iterator[None]:
    """Every run removes its users and attachments."""
    attached = deployment.targets()
    yield
    assert _smoke_users(deployment) == []
    assert deployment.targets() <= attached


@dataclass(frozen=True)
class Runs:
    """The documents of two simultaneous runs: one with temporary users, one with an existing user."""

    own: dict[str, Any]
    junit: Path
    user: str
    as_user: dict[str, Any]


@pytest.fixture(scope="module")
def runs(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    user, junit = deployment.make_user(), tmp_path_factory.mktemp("smoke") / "results.xml"
    options = ("--json", "--timeout", "20")
    with (
        ended(_start(deployment, *options, "--junit", str(junit))) as own,
        ended(_start(deployment, *options, "--user", user, "--password-stdin")) as as_user,
    ):
        output = as_user.communicate(f"{PASSWORD}\n", timeout=60)
        documents = [json.loads(text) for text, _ in (own.communicate(timeout=60), output)]
    assert (own.returncode, as_user.returncode) == (0, 0), documents
    return Runs(documents[0], junit, user, documents[1])


class TestHealthy:
    def test_smoke_json_document_matches_the_contract(self, deployment: Deployment, runs: Runs) -> None:
        document = runs.own
        assert (document["schema"], document["command"], document["stack"]) == (1, "smoke", "AmplifyPubSub")
        assert document["region"] == deployment.cloud.region
        others = {each["id"]: each["status"] for each in document["checks"] if each["status"] != "passed"}
        assert others == dict.fromkeys(_NOTHING_TO_TEST, "skipped")
        assert {
            "id", "group", "title", "status", "cause", "resource", "fix", "docs", "duration_ms"
        } <= document["checks"][0].keys()  # fmt: skip
        summary = document["summary"]
        assert (summary["passed"], summary["failed"], summary["unknown"], summary["exit_code"]) == (
            len(document["checks"]) - len(_NOTHING_TO_TEST),
            0,
            0,
            0,
        )
        assert _IDENTITY_ID.search(json.dumps(document["checks"]))

    def test_smoke_names_the_policy_that_denies_the_control_plane(self, runs: Runs) -> None:
        detail = check(runs.own, "PS312")["detail"]
        assert "no permissions boundary allows the iot:AttachPolicy action" in detail
        assert "no permissions boundary allows the iot:CreatePolicyVersion action" in detail

    def test_smoke_writes_junit_xml(self, runs: Runs) -> None:
        (suite,) = ET.parse(runs.junit).getroot()
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(len(suite)), "0", "0")

    def test_smoke_uses_and_keeps_an_existing_user(self, deployment: Deployment, runs: Runs) -> None:
        skipped = {each["id"]: each["cause"] for each in runs.as_user["checks"] if each["status"] == "skipped"}
        assert skipped.keys() == {"PS303", "PS403", "PS412", "PS413", "PS204"}
        assert skipped["PS412"] == "needs test users, which --user excludes"
        identity_id = deployment.identity_id(deployment.sign_in(runs.user))
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]

    def test_smoke_skips_checks_and_redacts_identity_ids(self, deployment: Deployment) -> None:
        """As people run it, and without identity ids."""
        done = deployment.pubsub("smoke", "--redact", "--skip", "PS204", "--skip", "PS502")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        *lines, last = done.stdout.splitlines()
        assert re.fullmatch(r"smoke test passed: \d+ checks, sign-in to first message \d+\.\d s", last)
        assert re.fullmatch(r"\d+ passed, 5 skipped", lines[-1])
        assert [line for line in lines if line.startswith("  -  ") and "left out" in line] == [
            f"  -     {check.title}  skipped: left out by --skip" for check in (RoundTrips, SelfAttachRepairs)
        ]
        assert "FAIL" not in done.stdout
        assert not _IDENTITY_ID.search(done.stdout)

    @pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 0.0), (signal.SIGTERM, 0.3)])
    def test_interrupted_smoke_cleans_up_and_exits_with_130(
        self, deployment: Deployment, number: signal.Signals, seconds: float
    ) -> None:
        """While the user is created, and while the user signs in."""
        with ended(_start(deployment)) as running:
            wait_until(lambda: bool(_smoke_users(deployment)), "the user is created")
            time.sleep(seconds)
            os.kill(running.pid, number)
            _, stderr = running.communicate(timeout=30)
        assert running.returncode == 130, stderr
        assert stderr == "pubsub: interrupted; everything that the run created was removed\n"


class TestFaults:
    """The checks that report the fault fail, and no others."""

    def test_smoke_reports_the_triggers_error_for_a_missing_attachment(self, deployment: Deployment) -> None:
        refused = deployment.cloud.fault("iot:AttachPolicy", Fail("AccessDeniedException"))
        with deployment.worker_stopped(), refused:
            failure = next(iter(_failures(deployment.smoke()).values()))
        assert failure["id"] == "PS203"
        assert "reports: Queued, AttachPolicy: AccessDeniedException" in failure["cause"]
        assert failure["fix"].startswith("aws iam put-role-policy ")

    def test_smoke_warns_of_a_late_attachment_with_the_triggers_error(self, deployment: Deployment) -> None:
        """Throttled at sign-in and for some attempts of the worker."""
        with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException"), times=6):
            late = check(deployment.smoke("--timeout", "30"), "PS203")
        assert late["status"] == "warning"
        assert "reports: Queued, AttachPolicy: ThrottlingException" in late["cause"]

    @pytest.mark.usefixtures("control_plane_open", "marker_ignored")
    def test_smoke_reports_what_is_allowed_but_must_be_denied(self, deployment: Deployment) -> None:
        with deployment.guests_allowed():
            failures = _failures(deployment.smoke())
        assert failures.keys() == {"PS311", "PS312", "PS412"}
        assert failures["PS311"]["cause"] == "The identity pool gives identities to guests, who have not signed in."
        assert "may call AttachPolicy and CreatePolicyVersion" in failures["PS312"]["cause"]
        assert "can connect" in failures["PS412"]["cause"]
        # The policy version that the user could create was removed.
        assert len(deployment.cloud.client("iot").list_policy_versions(policyName="myIoTPolicy")["policyVersions"]) == 1

    @pytest.fixture
    def control_plane_open(self, deployment: Deployment) -> Iterator[None]:
        """The boundary allows everything."""
        iam = deployment.cloud.client("iam")
        role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
        boundary = iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        version = iam.get_policy(PolicyArn=boundary)["Policy"]["DefaultVersionId"]
        before = iam.get_policy_version(PolicyArn=boundary, VersionId=version)["PolicyVersion"]["Document"]
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

        def put(document: object) -> None:
            iam.create_policy_version(PolicyArn=boundary, PolicyDocument=json.dumps(document), SetAsDefault=True)

        put(everything)
        yield
        put(before)

    @pytest.fixture
    def marker_ignored(self, deployment: Deployment) -> Iterator[None]:
        """The trigger accepts no marker as current, and attaches the policy to marked users too."""
        trigger = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        with deployment.variables_of(trigger, {"ATTACHMENT_MARKER": "another"}):
            yield
