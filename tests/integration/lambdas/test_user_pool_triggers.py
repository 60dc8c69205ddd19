"""The custom resource changes only its own settings of an adopted user pool on the local cloud."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ALLOW_IOT, make_role, make_user_pool

_MARKER = "pubsub_attachment"
_SENDER = {"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:sender"}
_MODULES = ("user_pool_triggers", "user_pool_groups", "pool_update", "original_settings")


@dataclass(frozen=True)
class AdoptedPool:
    """An adopted user pool whose settings differ from the defaults; SMS role and key are for its messages."""

    cloud: LocalCloud
    id: str
    sms_role_arn: str
    key_arn: str

    def settings(self) -> dict[str, Any]:
        """Return the raw responses about pool, MFA and groups, without the date of the last change."""
        answers: list[dict[str, Any]] = []
        users = self.cloud.client("cognito-idp")

        def keep(http_response: Any, **_: Any) -> None:
            answers.append(json.loads(http_response.content))

        users.meta.events.register("after-call.cognito-identity-provider", keep)
        users.describe_user_pool(UserPoolId=self.id)
        users.get_user_pool_mfa_config(UserPoolId=self.id)
        users.list_groups(UserPoolId=self.id)
        users.meta.events.unregister("after-call.cognito-identity-provider", keep)
        pool = answers[0]["UserPool"]
        del pool["LastModifiedDate"]
        for group in answers[2]["Groups"]:
            group.pop("LastModifiedDate", None)
        return {"pool": pool, "mfa": answers[1], "groups": answers[2]["Groups"]}

    def parameters(self) -> list[str]:
        """Return the names of this pool's parameters."""
        pages = self.cloud.client("ssm").get_paginator("describe_parameters").paginate()
        return [each["Name"] for page in pages for each in page["Parameters"] if self.id in each["Name"]]


@pytest.fixture
def pool(cloud: LocalCloud) -> AdoptedPool:
    sms_role_arn = make_role(cloud, ALLOW_IOT, trusts={"Service": "cognito-idp.amazonaws.com"})
    key_arn = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    pool_id, _ = make_user_pool(
        cloud,
        {
            "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
            "AutoVerifiedAttributes": ["email"],
            "DeletionProtection": "ACTIVE",
            "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": False},
            "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT", "ReplyToEmailAddress": "a@example.com"},
            "EmailVerificationSubject": "Your code",
            "LambdaConfig": {"CustomEmailSender": _SENDER, "KMSKeyID": key_arn},
            "Policies": {"PasswordPolicy": {"MinimumLength": 20, "TemporaryPasswordValidityDays": 3}},
            "SmsConfiguration": {"SnsCallerArn": sms_role_arn, "ExternalId": "shop"},
            "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
            "UserPoolTags": {"team": "shop"},
            "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_LINK"},
        },
    )
    cloud.client("cognito-idp").set_user_pool_mfa_config(
        UserPoolId=pool_id, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    return AdoptedPool(cloud, pool_id, sms_role_arn, key_arn)


class UserPool:
    """The function with the permissions that the stack gives it."""

    def __init__(self, pool: AdoptedPool, monkeypatch: pytest.MonkeyPatch, *permissions: dict[str, Any]) -> None:
        self.pool = pool
        self.properties = {
            "UserPoolId": pool.id,
            "OutlivesStack": "true",
            "OriginalSettingsParameter": f"/AmplifyPubSub/user-pool/{pool.id}/original-settings",
            "MarkerAttribute": _MARKER,
            "MarkerLength": "128",
            "SmsRoleArn": pool.sms_role_arn,
            "CustomSenderKeyArn": pool.key_arn,
            "Triggers": {"PostAuthentication": "arn:aws:lambda:us-east-1:000000000000:function:trigger"},
            "ChainedTriggers": [],
            "Groups": [],
            "ReplaceGroupRoles": {},
            "AuthRoleArn": "arn:aws:iam::000000000000:role/AuthRole",
        }
        of_template = {
            "Effect": "Allow",
            "Action": [
                "cognito-idp:AddCustomAttributes", "cognito-idp:CreateGroup", "cognito-idp:DescribeUserPool",
                "cognito-idp:GetUserPoolMfaConfig", "cognito-idp:ListGroups", "cognito-idp:SetUserPoolMfaConfig",
                "cognito-idp:TagResource", "cognito-idp:UpdateGroup", "cognito-idp:UpdateUserPool", "ssm:GetParameter",
                "ssm:PutParameter", "ssm:DeleteParameter",
            ],
            "Resource": "*",
        }  # fmt: skip
        cloud = pool.cloud
        root = {"AWS": f"arn:aws:iam::{cloud.account_id}:root"}
        role = make_role(cloud, of_template, *permissions, trusts=root)
        keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="user_pool")["Credentials"]
        for name, value in {
            "AWS_ENDPOINT_URL": cloud.endpoint_url,
            "AWS_DEFAULT_REGION": cloud.region,
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps its credentials
        for name in _MODULES:
            sys.modules.pop(name, None)
        self.module = importlib.import_module("user_pool_triggers")

    def run(self, request_type: str, **properties: Any) -> None:
        """Handle a request of CloudFormation, with changed properties."""
        self.properties |= properties
        event = {"RequestType": request_type, "ResourceProperties": self.properties}
        self.module.on_event(event | {"PhysicalResourceId": f"{self.pool.id}/user_pool"}, None)


@pytest.fixture(autouse=True)
def _reload_modules() -> Iterator[None]:
    yield
    for name in _MODULES:
        sys.modules.pop(name, None)


def _pass(pool: AdoptedPool, *role_arns: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": [pool.sms_role_arn, *role_arns],
        "Condition": {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}},
    }


def _grant(pool: AdoptedPool) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": pool.key_arn}


def _without_additions(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without those that adoption adds."""
    pool = dict(settings["pool"])
    pool["SchemaAttributes"] = [each for each in pool["SchemaAttributes"] if each["Name"] != f"custom:{_MARKER}"]
    pool["LambdaConfig"] = {name: each for name, each in pool["LambdaConfig"].items() if name != "PostAuthentication"}
    return settings | {"pool": pool}


def test_adopted_pool_keeps_every_setting(pool: AdoptedPool, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = {"Federated": "cognito-identity.amazonaws.com"}
    ours, theirs = (make_role(pool.cloud, ALLOW_IOT, trusts=trust) for _ in range(2))
    group = {"GroupName": "admins", "RoleArn": theirs, "Precedence": 7, "Description": "theirs"}
    pool.cloud.client("cognito-idp").create_group(UserPoolId=pool.id, **group)
    before = pool.settings()
    user_pool = UserPool(pool, monkeypatch, _pass(pool, ours, theirs), _grant(pool))
    user_pool.run("Create", Groups=[{"Name": "admins", "RoleArn": ours}], ReplaceGroupRoles={"admins": theirs})
    during = pool.settings()
    assert "PostAuthentication" in during["pool"]["LambdaConfig"]
    assert f"custom:{_MARKER}" in {each["Name"] for each in during["pool"]["SchemaAttributes"]}
    assert (during["groups"][0]["RoleArn"], during["groups"][0]["Precedence"]) == (ours, 1)
    assert _without_additions(during) | {"groups": []} == before | {"groups": []}
    assert pool.parameters() == [user_pool.properties["OriginalSettingsParameter"]]
    user_pool.run("Delete")
    after = pool.settings()
    assert after["pool"]["LambdaConfig"] == before["pool"]["LambdaConfig"]
    assert _without_additions(after) == before
    assert pool.parameters() == []


@pytest.mark.parametrize("missing", ["iam:PassRole", "kms:CreateGrant"])
def test_denied_update_leaves_nothing_permanent(
    pool: AdoptedPool, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """A service control policy, for example, can deny an update that the settings allow."""
    before = pool.settings()
    monkeypatch.setattr("iam_propagation.WAIT_SECONDS", 0.0)
    allowed = [each for each in (_pass(pool), _grant(pool)) if each["Action"] != missing]
    with pytest.raises(ClientError, match=missing):
        UserPool(pool, monkeypatch, *allowed).run("Create")
    assert pool.settings() == before
