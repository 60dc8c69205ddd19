"""Access mode least-privilege: users get only their own client ids and topics, and the shared topics."""

from __future__ import annotations

import json

import pytest

from stacks.settings import Settings
from tests.unit.stacks.conftest import AUTH_ROLE, IDENTITIES, USERS, Template, allowed_names

_LEAST_PRIVILEGE: dict[str, object] = {"accessMode": "least-privilege", "groups": ["admins"], "topics": ["room/*"]}
_SUB = "${cognito-identity.amazonaws.com:sub}"


def _template(region: str | None = None, **settings: object) -> Template:
    return Template(Settings.model_validate(_LEAST_PRIVILEGE | settings), region=region)


@pytest.fixture(scope="module")
def least_privilege() -> Template:
    return _template()


_OWN_AND_SHARED = {
    "iot:Connect": [f"client/{_SUB}*"],
    "iot:Publish": [f"topic/{_SUB}/*", "topic/room/*"],
    "iot:Receive": [f"topic/{_SUB}/*", "topic/room/*"],
    "iot:RetainPublish": [f"topic/{_SUB}/*", "topic/room/*"],
    "iot:Subscribe": [f"topicfilter/{_SUB}/*", "topicfilter/room/*"],
}


def test_iot_policy_allows_own_and_shared_topics(least_privilege: Template) -> None:
    assert allowed_names(least_privilege.only("AWS::IoT::Policy")["PolicyDocument"]) == _OWN_AND_SHARED


def test_roles_allow_the_same_without_managed_policies(least_privilege: Template) -> None:
    roles = {
        logical_id: role
        for logical_id, role in least_privilege.resources("AWS::IAM::Role").items()
        if logical_id.startswith(("IdentityPoolSignedInAuthRole", "IdentityPoolSignedInGroupRole"))
    }
    assert len(roles) == 2
    policies = least_privilege.resources("AWS::IAM::Policy").values()
    for logical_id, role in roles.items():
        assert not role.keys() & {"ManagedPolicyArns", "PermissionsBoundary"}
        of_role = [each["PolicyDocument"] for each in policies if {"Ref": logical_id} in each["Roles"]]
        (data,) = (each for each in of_role if "iot:" in json.dumps(each))
        assert allowed_names(data) == _OWN_AND_SHARED
    assert least_privilege.resources("AWS::IAM::ManagedPolicy") == {}


def test_only_own_topics_are_allowed_without_shared_topics() -> None:
    template = _template(topics=[])
    assert "Topics" not in template.json["Outputs"]
    assert allowed_names(template.only("AWS::IoT::Policy")["PolicyDocument"])["iot:Publish"] == [f"topic/{_SUB}/*"]


def test_govcloud_has_its_own_variable_for_the_identity_id() -> None:
    policy = json.dumps(_template(region="us-gov-west-1").only("AWS::IoT::Policy")["PolicyDocument"])
    assert "${cognito-identity-us-gov.amazonaws.com:sub}/*" in policy
    assert _SUB not in policy


def test_adopted_roles_get_the_same_and_the_control_plane_deny() -> None:
    adopt = USERS | IDENTITIES | {"groupRoleArns": []}
    template = _template(adopt=adopt, groups=[])
    (deny,) = template.resources("AWS::IAM::ManagedPolicy")
    attached = template.only("Custom::RolePolicy")
    assert (attached["RoleName"], attached["PolicyArn"]) == (AUTH_ROLE, {"Ref": deny})
    of_role = [each for each in template.resources("AWS::IAM::Policy").values() if each["Roles"] == [AUTH_ROLE]]
    data = [each["PolicyDocument"] for each in of_role if "iot:Connect" in json.dumps(each)]
    assert [allowed_names(each) for each in data] == [_OWN_AND_SHARED]
