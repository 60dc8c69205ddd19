"""`pubsub doctor --fix` where a command is denied or declined: what the command was to guard stays closed."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.commands import run_pubsub
from tests.e2e.doctor.asked import about_nobody
from tests.e2e.doctor.patient import Patient
from tests.e2e.doctor.running import BIN, run_doctor
from tests.e2e.operator import operator

_CONFIG_ACCESS = "arn:aws:iam::aws:policy/AWSIoTConfigAccess"
_ALL_BUT_THE_BOUNDARY = [
    {"Effect": "Allow", "Action": "*", "Resource": "*"},
    {"Effect": "Deny", "Action": "iam:PutRolePermissionsBoundary", "Resource": "*"},
]
_ROLES = ("--only", "PS301", "--only", "PS303")


def _attached(patient: Patient) -> set[str]:
    answer = patient.iam.list_attached_role_policies(RoleName=patient.auth_role)
    return {each["PolicyArn"] for each in answer["AttachedPolicies"]}


def _open(patient: Patient) -> None:
    """Take away the role's boundary, and the policy that it guards."""
    patient.iam.detach_role_policy(RoleName=patient.auth_role, PolicyArn=_CONFIG_ACCESS)
    patient.iam.delete_role_permissions_boundary(RoleName=patient.auth_role)


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    """Yield both ends of a terminal: ours, and the one that a command gets."""
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def test_with_the_boundary_denied_nothing_is_attached(patient: Patient) -> None:
    _open(patient)
    cloud = patient.deployment.cloud
    with operator(cloud, patient.deployment.outputs, _ALL_BUT_THE_BOUNDARY) as credentials:
        done = run_pubsub(
            ["doctor", *about_nobody(patient).options, *_ROLES, "--fix", "--yes", "--json"],
            cloud.environment() | credentials,
        )
    assert _CONFIG_ACCESS not in _attached(patient)
    assert done.returncode == 1, done.stderr
    fixes = json.loads(done.stdout)["fixes"]
    assert [each["outcome"] for each in fixes] == ["failed"]
    assert "AccessDenied" in fixes[0]["reason"]
    assert "fixes: 1 failed" in done.stderr


def test_with_the_boundary_declined_nothing_is_attached(patient: Patient) -> None:
    _open(patient)
    environment = {**patient.deployment.cloud.environment(), "TERM": "dumb"}
    environment.pop("CI", None)
    with _terminal() as (ours, theirs):
        os.write(ours, b"n\ny\n")  # what the second question would be answered with
        done = subprocess.run(
            [BIN / "pubsub", "doctor", *about_nobody(patient).options, *_ROLES, "--fix"],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        shown = os.read(ours, 65536).decode()
    assert _CONFIG_ACCESS not in _attached(patient)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("run it?") == 1
    assert re.search(r"put-role-permissions-boundary.*\r\n +declined", shown)
    assert "attach-role-policy" not in shown


def test_policies_are_not_suggested_before_the_guard(patient: Patient) -> None:
    _open(patient)
    report = run_doctor(patient.deployment.cloud, about_nobody(patient).and_(*_ROLES))
    assert [each["id"] for each in report.bad] == ["PS308"]
    assert report.check("PS301")["cause"] == "depends on PS308, which did not pass"
