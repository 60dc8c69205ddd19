"""The role of signed-in users does not allow, or cannot be had."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.patient import Patient, Stage

_DATA_ACCESS = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_SERVICE = "cognito-identity.amazonaws.com"


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _take_data_access(patient: Patient) -> None:
    patient.iam.detach_role_policy(RoleName=patient.auth_role, PolicyArn=_DATA_ACCESS)


def _map_roles(patient: Patient, mapping: dict[str, Any], roles: dict[str, str] | None = None) -> None:
    """Let the identity pool choose roles for the users of the app client."""
    now = patient.identities.get_identity_pool_roles(IdentityPoolId=patient.identity_pool_id)
    provider = f"cognito-idp.{patient.deployment.cloud.region}.amazonaws.com/{patient.user_pool_id}"
    patient.identities.set_identity_pool_roles(
        IdentityPoolId=patient.identity_pool_id,
        Roles=roles or now["Roles"],
        RoleMappings={f"{provider}:{patient.deployment.client_id}": mapping},
    )


def _role_like_auth_role(patient: Patient, policy: str) -> str:
    """Make a role that trusts and is bounded as AuthRole, and holds one managed policy; return its ARN."""
    like = patient.iam.get_role(RoleName=patient.auth_role)["Role"]
    name = f"readers-{uuid.uuid4().hex[:8]}"
    made = patient.iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(like["AssumeRolePolicyDocument"]),
        PermissionsBoundary=like["PermissionsBoundary"]["PermissionsBoundaryArn"],
    )
    patient.iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return str(made["Role"]["Arn"])


def _join_a_group(patient: Patient, role_arn: str) -> Patient:
    """Put the user into a new group with a role of its own; the user's next tokens tell it."""
    group = {"UserPoolId": patient.user_pool_id, "GroupName": f"readers-{uuid.uuid4().hex[:8]}"}
    patient.users.create_group(**group, RoleArn=role_arn, Precedence=1)
    patient.cleanup.callback(patient.users.delete_group, **group)
    patient.users.admin_add_user_to_group(**group, Username=patient.user)
    return replace(patient, tokens=patient.deployment.sign_in(patient.user))


def _join_a_group_without_policies(patient: Patient) -> Patient:
    _map_roles(patient, {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    return _join_a_group(patient, _role_like_auth_role(patient, "AWSIoTConfigAccess"))


def _deny_by_rules(patient: Patient) -> None:
    rule = {"Claim": "email", "MatchType": "StartsWith", "Value": "admin@", "RoleARN": _arn(patient)}
    _map_roles(
        patient,
        {"Type": "Rules", "AmbiguousRoleResolution": "Deny", "RulesConfiguration": {"Rules": [rule]}},
    )


def _arn(patient: Patient) -> str:
    return str(patient.iam.get_role(RoleName=patient.auth_role)["Role"]["Arn"])


def _map_to_a_missing_role(patient: Patient) -> None:
    missing = f"{_arn(patient)}-before"
    rule = {"Claim": "email", "MatchType": "Contains", "Value": "@", "RoleARN": missing}
    _map_roles(
        patient,
        {"Type": "Rules", "AmbiguousRoleResolution": "AuthenticatedRole", "RulesConfiguration": {"Rules": [rule]}},
    )


def _trust(condition: Callable[[Patient], dict[str, Any]], patient: Patient) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": _SERVICE},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition(patient),
    }
    patient.iam.update_assume_role_policy(RoleName=patient.auth_role, PolicyDocument=_document(statement))


def _another_pool(patient: Patient) -> dict[str, Any]:
    return {
        "StringEquals": {f"{_SERVICE}:aud": f"{patient.deployment.cloud.region}:{uuid.uuid4()}"},
        "ForAnyValue:StringLike": {f"{_SERVICE}:amr": "authenticated"},
    }


def _guests(patient: Patient) -> dict[str, Any]:
    return {
        "StringEquals": {f"{_SERVICE}:aud": patient.identity_pool_id},
        "ForAnyValue:StringLike": {f"{_SERVICE}:amr": "unauthenticated"},
    }


def _deny_inline(patient: Patient) -> None:
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": patient.arn("topic/news/*")}
    patient.iam.put_role_policy(RoleName=patient.auth_role, PolicyName="no-news", PolicyDocument=_document(deny))


def _bound_tightly(patient: Patient) -> None:
    allow = {"Effect": "Allow", "Action": ["s3:*", "logs:*"], "Resource": "*"}
    policy = patient.iam.create_policy(PolicyName=f"tight-{uuid.uuid4().hex[:8]}", PolicyDocument=_document(allow))
    patient.iam.put_role_permissions_boundary(RoleName=patient.auth_role, PermissionsBoundary=policy["Policy"]["Arn"])


CAUSES = [
    Cause(
        3,
        "the role lacks AWSIoTDataAccess",
        "`iam:DetachRolePolicy`",
        "PS301",
        r"AuthRole lacks AWSIoTDataAccess",
        ("aws iam attach-role-policy",),
        symptom=Stage.CONNECT,
        make=_take_data_access,
    ),
    Cause(
        4,
        "the role of the user's group lacks AWSIoTDataAccess",
        "a group with a role of its own, and a role mapping by token",
        "PS303",
        r"The role of group readers-\w+ lacks AWSIoTDataAccess",
        ("aws iam attach-role-policy",),
        symptom=Stage.CONNECT,
        make=_join_a_group_without_policies,
    ),
    Cause(
        20,
        "the role mapping denies whom no rule matches",
        "`cognito-identity:SetIdentityPoolRoles` with a rule for others and `Deny`",
        "PS304",
        r"denies this user: no rule applies to the user",
        ("aws cognito-identity set-identity-pool-roles",),
        symptom=Stage.CREDENTIALS,
        make=_deny_by_rules,
    ),
    Cause(
        20,
        "the role that the mapping gives does not exist",
        "`cognito-identity:SetIdentityPoolRoles` with a rule for a role that is not there",
        "PS304",
        r"is \S+-before, which does not exist",
        ("aws cognito-identity set-identity-pool-roles",),
        symptom=Stage.CREDENTIALS,
        make=_map_to_a_missing_role,
    ),
    Cause(
        21,
        "the role trusts another identity pool",
        "`iam:UpdateAssumeRolePolicy` with another `aud`",
        "PS305",
        r"its trust policy requires cognito-identity\.amazonaws\.com:aud to be",
        ("aws iam update-assume-role-policy",),
        symptom=Stage.CREDENTIALS,
        make=partial(_trust, _another_pool),
    ),
    Cause(
        21,
        "the role trusts guests",
        "`iam:UpdateAssumeRolePolicy` with `amr` unauthenticated",
        "PS305",
        r"its trust policy requires cognito-identity\.amazonaws\.com:amr to be unauthenticated",
        ("aws iam update-assume-role-policy",),
        symptom=Stage.CREDENTIALS,
        make=partial(_trust, _guests),
    ),
    Cause(
        22,
        "an inline policy of the role denies",
        "`iam:PutRolePolicy` with a deny of publishing on these topics",
        "PS306",
        r"publish to news/today: the inline policy no-news denies it",
        ("aws iam delete-role-policy",),
        symptom=Stage.PUBLISH,
        make=_deny_inline,
    ),
    Cause(
        22,
        "the role's permissions boundary leaves AWS IoT out",
        "`iam:PutRolePermissionsBoundary` with a policy without AWS IoT",
        "PS308",
        r"tight-\w+ as its permissions boundary",
        ("aws iam put-role-permissions-boundary",),
        symptom=Stage.CONNECT,
        make=_bound_tightly,
    ),
]
