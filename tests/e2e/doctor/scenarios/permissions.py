"""The IoT policy or the role does not allow what PubSub needs, or users do not get the role."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage
from tests.integration.local_cloud.account import document

_DATA_ACCESS = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_COGNITO = "cognito-identity.amazonaws.com"


def _remove_client_resource(user: SimulatedUser) -> None:
    """Leave only one version, without the statement on ``client/``."""
    policy = json.loads(user.iot.get_policy(policyName=user.policy)["policyDocument"])
    left = [each for each in policy["Statement"] if ":client/" not in json.dumps(each)]
    user.iot.create_policy_version(policyName=user.policy, policyDocument=document(*left), setAsDefault=True)
    _delete_other_versions(user)


def _delete_other_versions(user: SimulatedUser) -> None:
    for version in user.iot.list_policy_versions(policyName=user.policy)["policyVersions"]:
        if not version["isDefaultVersion"]:
            user.iot.delete_policy_version(policyName=user.policy, policyVersionId=version["versionId"])


def _delete_policy(user: SimulatedUser) -> None:
    """Delete the policy, and the other users' identities, because the fix attaches the policy to every identity."""
    token: dict[str, str] = {}
    others: list[str] = []
    while True:
        page = user.identities.list_identities(IdentityPoolId=user.identity_pool_id, MaxResults=60, **token)
        others += [each["IdentityId"] for each in page["Identities"] if each["IdentityId"] != user.identity_id]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    for first in range(0, len(others), 60):
        user.identities.delete_identities(IdentityIdsToDelete=others[first : first + 60])
    for target in user.deployment.targets():
        user.iot.detach_policy(policyName=user.policy, target=target)
    _delete_other_versions(user)
    user.iot.delete_policy(policyName=user.policy)


def _detach_data_access(user: SimulatedUser) -> None:
    user.iam.detach_role_policy(RoleName=user.auth_role, PolicyArn=_DATA_ACCESS)


def _map_roles(user: SimulatedUser, mapping: dict[str, Any]) -> None:
    """Set the role mapping of this app client's users until the test ends."""
    pool = {"IdentityPoolId": user.identity_pool_id}
    roles = user.identities.get_identity_pool_roles(**pool)
    before = {name: roles.get(name, {}) for name in ("Roles", "RoleMappings")}
    user.cleanup.callback(user.identities.set_identity_pool_roles, **pool, **before)
    provider = f"cognito-idp.{user.deployment.cloud.region}.amazonaws.com/{user.deployment.user_pool_id}"
    mappings = {f"{provider}:{user.deployment.client_id}": mapping}
    user.identities.set_identity_pool_roles(**pool, Roles=before["Roles"], RoleMappings=mappings)


def _join_group_without_data_access(user: SimulatedUser) -> SimulatedUser:
    """Join a group whose role is like AuthRole, but without AWSIoTDataAccess."""
    _map_roles(user, {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    auth_role, name = user.iam.get_role(RoleName=user.auth_role)["Role"], f"readers-{uuid.uuid4().hex[:8]}"
    role = user.iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(auth_role["AssumeRolePolicyDocument"]),
        PermissionsBoundary=auth_role["PermissionsBoundary"]["PermissionsBoundaryArn"],
    )["Role"]
    user.iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AWSIoTConfigAccess")
    group = {"UserPoolId": user.deployment.user_pool_id, "GroupName": name}
    user.users.create_group(**group, RoleArn=role["Arn"], Precedence=1)
    user.cleanup.callback(user.users.delete_group, **group)
    user.users.admin_add_user_to_group(**user.in_pool, GroupName=name)
    return replace(user, tokens=user.deployment.sign_in(user.name))


def _deny_users_without_rule(user: SimulatedUser) -> None:
    role = user.iam.get_role(RoleName=user.auth_role)["Role"]["Arn"]
    rule = {"Claim": "email", "MatchType": "StartsWith", "Value": "admin@", "RoleARN": role}
    rules = {"RulesConfiguration": {"Rules": [rule]}}
    _map_roles(user, {"Type": "Rules", "AmbiguousRoleResolution": "Deny", **rules})


def _trust_another_identity_pool(user: SimulatedUser) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": _COGNITO},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{_COGNITO}:aud": f"{user.deployment.cloud.region}:{uuid.uuid4()}"},
            "ForAnyValue:StringLike": {f"{_COGNITO}:amr": "authenticated"},
        },
    }
    user.iam.update_assume_role_policy(RoleName=user.auth_role, PolicyDocument=document(statement))


def _deny_publish(user: SimulatedUser) -> None:
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": user.arn("topic/news/*")}
    user.iam.put_role_policy(RoleName=user.auth_role, PolicyName="no-news", PolicyDocument=document(deny))


SCENARIOS = [
    FailureScenario(
        3,
        "the role lacks AWSIoTDataAccess",
        "PS301",
        r"AuthRole lacks AWSIoTDataAccess",
        ("aws iam attach-role-policy",),
        break_it=_detach_data_access,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        4,
        "the role of the user's group lacks AWSIoTDataAccess",
        "PS303",
        r"The role of group readers-\w+ lacks AWSIoTDataAccess",
        ("aws iam attach-role-policy",),
        break_it=_join_group_without_data_access,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        5,
        "the policy lacks the resource client/",
        "PS307",
        r"connect with .*: no statement allows iot:Connect",
        ("aws iot create-policy-version",),
        break_it=_remove_client_resource,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        18,
        "the policy was deleted",
        "PS111",
        r"The IoT policy myIoTPolicy does not exist",
        ("aws iot create-policy", "pubsub sweep"),
        break_it=_delete_policy,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        20,
        "the role mapping denies users that no rule matches",
        "PS304",
        r"denies this user: no rule applies to the user",
        ("aws cognito-identity set-identity-pool-roles",),
        break_it=_deny_users_without_rule,
        symptom=Stage.CREDENTIALS,
    ),
    FailureScenario(
        21,
        "the role trusts another identity pool",
        "PS305",
        r"its trust policy requires cognito-identity\.amazonaws\.com:aud to be",
        ("aws iam update-assume-role-policy",),
        break_it=_trust_another_identity_pool,
        symptom=Stage.CREDENTIALS,
    ),
    FailureScenario(
        22,
        "an inline policy of the role denies",
        "PS306",
        r"publish to news/today: the inline policy no-news denies it",
        ("aws iam delete-role-policy",),
        break_it=_deny_publish,
        symptom=Stage.PUBLISH,
    ),
]
