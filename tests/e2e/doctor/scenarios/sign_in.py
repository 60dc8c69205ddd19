"""The user cannot sign in, the sign-in attaches no policy, or the attachment has no effect yet."""

from __future__ import annotations

import threading
import uuid

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.doctor_run import run_fix, with_identity, with_name, with_password, without_user
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios.app import sign_in_again
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage
from tests.integration.local_cloud.account import document, wait_until

_ALLOW_CONNECT = document({"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"})
_UPDATE = "aws lambda update-function-configuration"


def _detach_and_clear_marker(user: SimulatedUser) -> None:
    user.detach()
    user.users.admin_update_user_attributes(
        **user.in_pool, UserAttributes=[{"Name": f"custom:{MARKER_ATTRIBUTE}", "Value": ""}]
    )


def _attach_to_identity_pool_id(user: SimulatedUser) -> None:
    user.detach()
    attachment = {"policyName": user.policy, "target": user.identity_pool_id}
    user.iot.attach_policy(**attachment)
    user.cleanup.callback(user.iot.detach_policy, **attachment)


def _attach_ten_other_policies(user: SimulatedUser) -> None:
    user.detach()
    for _ in range(10):
        name = f"other-{uuid.uuid4().hex[:8]}"
        user.iot.create_policy(policyName=name, policyDocument=_ALLOW_CONNECT)
        user.iot.attach_policy(policyName=name, target=user.identity_id)
        user.cleanup.callback(user.iot.detach_policy, policyName=name, target=user.identity_id)


def _delete_identity(user: SimulatedUser) -> None:
    user.identities.delete_identities(IdentityIdsToDelete=[user.identity_id])


def _attach_without_effect(user: SimulatedUser) -> None:
    user.detach()
    user.deployment.cloud.policy_propagation_seconds = 60
    user.iot.attach_policy(policyName=user.policy, target=user.identity_id)


def _run_fix_while_it_takes_effect(user: SimulatedUser, fix: str) -> None:
    cloud = user.deployment.cloud
    takes_effect = threading.Timer(1, setattr, [cloud, "policy_propagation_seconds", 0])
    takes_effect.start()
    run_fix(cloud, fix)
    takes_effect.join()


def _sign_in_until_dead_letter(user: SimulatedUser) -> None:
    _detach_and_clear_marker(user)
    worker = user.deployment.worker_mapping()["FunctionArn"]
    with user.deployment.action_denied("iot:AttachPolicy", user.trigger, worker):
        user.deployment.sign_in(user.name)
        wait_until(lambda: user.deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 1)


def _send_after_worker_attached(user: SimulatedUser) -> Stage:
    user.deployment.wait_until_attached(user.identity_id)
    return user.send_message()


def remove_trigger(user: SimulatedUser) -> None:
    pool_id = user.deployment.user_pool_id
    triggers = user.users.describe_user_pool(UserPoolId=pool_id)["UserPool"]["LambdaConfig"]
    del triggers["PostAuthentication"]
    user.users.update_user_pool(UserPoolId=pool_id, LambdaConfig=triggers)


def _deny_attach_to_trigger(user: SimulatedUser) -> None:
    user.cleanup.enter_context(user.deployment.action_denied("iot:AttachPolicy", user.trigger))


def _delete_internal_client(user: SimulatedUser) -> None:
    client_id = user.deployment.internal_client_id
    user.users.delete_user_pool_client(UserPoolId=user.deployment.user_pool_id, ClientId=client_id)


def _disallow_srp(user: SimulatedUser) -> None:
    user.users.update_user_pool_client(
        UserPoolId=user.deployment.user_pool_id,
        ClientId=user.deployment.client_id,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )


def _sign_out_everywhere(user: SimulatedUser) -> None:
    user.users.admin_user_global_sign_out(**user.in_pool)


def _set_temporary_password(user: SimulatedUser) -> None:
    user.users.admin_set_user_password(**user.in_pool, Password=PASSWORD, Permanent=False)


def _disable_mac_key(user: SimulatedUser) -> None:
    user.client("kms").disable_key(KeyId=user.deployment.resource("AWS::KMS::Key"))


def _first_sign_in_without_dead_letter(user: SimulatedUser) -> Stage:
    stage = user.first_sign_in()
    user.deployment.drain_queues()
    return stage


SCENARIOS = [
    FailureScenario(
        1,
        "the identity pool's id was attached instead of the identity id",
        "PS205",
        r"myIoTPolicy is attached to the identity pool's id",
        ("aws iot attach-policy", "aws iot detach-policy"),
        break_it=_attach_to_identity_pool_id,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        2,
        "no IoT policy is attached to the identity",
        "PS203",
        r"myIoTPolicy is not attached to the user's identity",
        ("aws iot attach-policy",),
        break_it=_detach_and_clear_marker,
        symptom=Stage.CONNECT,
        options=with_identity,
    ),
    FailureScenario(
        11,
        "an attachment failed and is in the dead-letter queue",
        "PS601",
        r"1 (pending )?attachment",
        ("pubsub redrive", "pubsub redrive"),
        break_it=_sign_in_until_dead_letter,
        symptom=Stage.CONNECT,
        options=without_user,
        observe_fixed=_send_after_worker_attached,
        status="warning",
    ),
    FailureScenario(
        19,
        "ten policies are attached already",
        "PS203",
        r"10 policies are attached already, and an identity can have 10",
        ("aws iot detach-policy", "aws iot attach-policy"),
        break_it=_attach_ten_other_policies,
        symptom=Stage.SUBSCRIBE,
    ),
    FailureScenario(
        29,
        "the attachment has no effect yet",
        "PS401",
        r"NOT_AUTHORIZED.*a new attachment can take minutes to",
        ("pubsub doctor",),
        break_it=_attach_without_effect,
        symptom=Stage.CONNECT,
        follow=_run_fix_while_it_takes_effect,
    ),
    FailureScenario(
        30,
        "the marker says attached, but the identity was recreated",
        "PS203",
        r"marker names the deleted identity",
        ("pubsub detach", "pubsub attach"),
        break_it=_delete_identity,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        16,
        "the trigger is not configured",
        "PS112",
        r"PostAuthentication trigger is not set",
        ("aws cognito-idp update-user-pool",),
        break_it=remove_trigger,
        symptom=Stage.CONNECT,
        observe=SimulatedUser.first_sign_in,
    ),
    FailureScenario(
        17,
        "the trigger's role may not attach policies",
        "PS118",
        r"does not allow iot:AttachPolicy \(implicit deny\)",
        ("aws iam put-role-policy",),
        break_it=_deny_attach_to_trigger,
        observe=SimulatedUser.first_sign_in,
    ),
    FailureScenario(
        23,
        "the identity pool rejects the token of a user who was signed out everywhere",
        "PS302",
        r"gives the user no AWS credentials: .*Invalid login token",
        "sign in again",
        break_it=_sign_out_everywhere,
        symptom=Stage.CREDENTIALS,
        follow=sign_in_again,
    ),
    FailureScenario(
        26,
        "the user must change the password",
        "PS123",
        r"still has a temporary password \(FORCE_CHANGE_PASSWORD\)",
        ("aws cognito-idp admin-set-user-password",),
        break_it=_set_temporary_password,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.sign_in_and_send,
        observe_fixed=SimulatedUser.first_sign_in,  # the fix sets an unknown password
        options=with_name,
    ),
    FailureScenario(
        27,
        "the app client does not allow SRP",
        "PS116",
        r"does not allow ALLOW_USER_SRP_AUTH",
        ("aws cognito-idp update-user-pool-client",),
        break_it=_disallow_srp,
        symptom=Stage.SIGN_IN,
        observe=SimulatedUser.sign_in_and_send,
        options=with_password,
    ),
    FailureScenario(
        28,
        "the internal app client was deleted",
        "PS117",
        r"The internal app client \w+ was deleted",
        (
            "aws cognito-idp create-user-pool-client",
            "aws cognito-identity update-identity-pool",
            "aws ssm put-parameter",
            *(_UPDATE, _UPDATE, _UPDATE),
        ),
        break_it=_delete_internal_client,
        observe=SimulatedUser.first_sign_in,
    ),
    FailureScenario(
        31,
        "the MAC key is disabled",
        "PS125",
        r"The MAC key [\w-]+ is disabled: .* no sign-in attaches the policy",
        ("aws kms enable-key",),
        break_it=_disable_mac_key,
        symptom=Stage.CONNECT,
        options=without_user,
        observe=_first_sign_in_without_dead_letter,
    ),
]
