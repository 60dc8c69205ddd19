"""`pubsub doctor` for a deployment without this toolkit's stack, created with boto3 as in Amplify's guide.

https://docs.amplify.aws/gen1/javascript/build-a-backend/more-features/pubsub/set-up-pubsub/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from local_cloud.process import LocalCloud
from pubsub_client.outputs import MANAGED_POLICIES
from tests.e2e.doctor.doctor_run import DoctorOptions, Report, run_doctor, run_fix
from tests.e2e.doctor.simulated_user import TOPIC
from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    PASSWORD,
    document,
    make_user,
    make_user_pool,
    sign_in,
    unique,
)

_FLOWS = ["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
_COGNITO = "cognito-identity.amazonaws.com"


@dataclass(frozen=True)
class ManualDeployment:
    """A deployment with a user whose identity has the policy, and the options that give its ids to the doctor."""

    cloud: LocalCloud
    role: str
    policy: str
    identity_id: str
    options: DoctorOptions


@pytest.fixture(scope="module")
def manual(account: LocalCloud) -> ManualDeployment:
    identities, iam, iot = (account.client(each) for each in ("cognito-identity", "iam", "iot"))
    user_pool_id, client_id = make_user_pool(account, client={"ExplicitAuthFlows": _FLOWS})
    provider = f"cognito-idp.{account.region}.amazonaws.com/{user_pool_id}"
    identity_pool_id = identities.create_identity_pool(
        IdentityPoolName=unique("pool"),
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": client_id}],
    )["IdentityPoolId"]
    role, policy, user = unique("role"), unique("policy"), make_user(account, user_pool_id)
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": _COGNITO},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{_COGNITO}:aud": identity_pool_id},
            "ForAnyValue:StringLike": {f"{_COGNITO}:amr": "authenticated"},
        },
    }
    role_arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    for managed in MANAGED_POLICIES:
        iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{managed}")
    identities.set_identity_pool_roles(IdentityPoolId=identity_pool_id, Roles={"authenticated": role_arn})
    iot.create_policy(policyName=policy, policyDocument=document(ALLOW_IOT))
    logins = {provider: sign_in(account, client_id, user)["IdToken"]}
    identity_id = identities.get_id(IdentityPoolId=identity_pool_id, Logins=logins)["IdentityId"]
    iot.attach_policy(policyName=policy, target=identity_id)
    options = {
        "--user-pool-id": user_pool_id,
        "--user-pool-client-id": client_id,
        "--identity-pool-id": identity_pool_id,
        "--endpoint": iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"],
        "--policy-name": policy,
        "--topic": TOPIC,
        "--user": user,
    }
    arguments = (word for option in options.items() for word in option)
    given = DoctorOptions((*arguments, "--password-stdin"), stdin=f"{PASSWORD}\n")
    return ManualDeployment(account, role, policy, identity_id, given)


def test_doctor_finds_nothing_in_a_manual_deployment(manual: ManualDeployment) -> None:
    report = run_doctor(manual.cloud, manual.options)
    _assert_only_retain_is_missing(report)
    assert {"PS111", "PS115", "PS116", "PS203", "PS401", "PS501"} <= report.passed


def test_doctor_reads_the_ids_of_a_configuration_file(manual: ManualDeployment, tmp_path: Path) -> None:
    words = manual.options.arguments
    given = dict(zip(words[::2], words[1::2], strict=False))
    file = tmp_path / "main.js"
    file.write_text(
        f"""
        import {{ Amplify, PubSub }} from 'aws-amplify';
        Amplify.configure({{
          Auth: {{
            userPoolId: '{given["--user-pool-id"]}',
            userPoolWebClientId: '{given["--user-pool-client-id"]}',
            identityPoolId: '{given["--identity-pool-id"]}',
          }},
        }});
        Amplify.addPluggable(new AWSIoTProvider({{
          aws_pubsub_region: '{manual.cloud.region}',
          aws_pubsub_endpoint: 'ws://{given["--endpoint"]}/mqtt',
        }}));
        """
    )
    kept = [word for name in ("--policy-name", "--topic", "--user") for word in (name, given[name])]
    options = DoctorOptions(("--config", str(file), *kept, "--password-stdin"), stdin=manual.options.stdin)
    report = run_doctor(manual.cloud, options)
    _assert_only_retain_is_missing(report)
    assert {"PS102", "PS115", "PS203", "PS401", "PS501"} <= report.passed


def test_doctor_asks_for_the_name_of_the_policy(manual: ManualDeployment) -> None:
    words = ["Other" if each == manual.policy else each for each in manual.options.arguments]
    report = run_doctor(manual.cloud, DoctorOptions(tuple(words), stdin=manual.options.stdin))
    (finding,) = (each for each in report.findings if each["id"] == "PS111")
    assert finding["cause"].endswith("unless the policy has another name: give it with --policy-name.")


def test_doctor_fixes_a_manual_deployment(manual: ManualDeployment) -> None:
    manual.cloud.client("iot").detach_policy(policyName=manual.policy, target=manual.identity_id)
    manual.cloud.client("iam").detach_role_policy(
        RoleName=manual.role, PolicyArn="arn:aws:iam::aws:policy/AWSIoTDataAccess"
    )
    report = run_doctor(manual.cloud, manual.options)
    assert [each["id"] for each in report.findings] == ["PS203", "PS306"], report.texts
    for each in report.findings:
        run_fix(manual.cloud, each["fix"])
    _assert_only_retain_is_missing(run_doctor(manual.cloud, manual.options))


def test_doctor_attaches_the_thing_that_a_policy_needs(manual: ManualDeployment) -> None:
    iot, thing = manual.cloud.client("iot"), unique("lamp")
    prefix = f"arn:aws:iot:{manual.cloud.region}:{manual.cloud.account_id}"
    own = {
        "Effect": "Allow",
        "Action": "iot:Connect",
        "Resource": f"{prefix}:client/${{iot:Connection.Thing.ThingName}}",
    }
    others = {"Effect": "Allow", "NotAction": "iot:Connect", "Resource": "*"}
    iot.create_thing(thingName=thing)
    policy = {"policyName": manual.policy}
    version = iot.create_policy_version(**policy, policyDocument=document(own, others), setAsDefault=True)
    options = manual.options.plus("--client-id", thing)
    try:
        report = run_doctor(manual.cloud, options)
        run_fix(manual.cloud, report.check("PS307")["fix"])
        _assert_only_retain_is_missing(run_doctor(manual.cloud, options))
    finally:
        iot.set_default_policy_version(**policy, policyVersionId="1")
        iot.delete_policy_version(**policy, policyVersionId=version["policyVersionId"])


def _assert_only_retain_is_missing(report: Report) -> None:
    """Assert that the only finding is that AWSIoTDataAccess does not allow iot:RetainPublish."""
    assert [(each["id"], each["status"]) for each in report.findings] == [("PS306", "warning")], report.texts
    assert "iot:RetainPublish" in report.findings[0]["fix"]
