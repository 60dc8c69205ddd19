"""The IoT policy is not attached to the user's identity, or the attachment has no effect yet."""

from __future__ import annotations

import threading
import uuid

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.conftest import wait_until
from tests.e2e.doctor.doctor_run import run_fix, with_identity, without_user
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage
from tests.integration.local_cloud.account import document

_ALLOW_CONNECT = document({"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"})


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
    with user.deployment.action_denied("iot:AttachPolicy", user.trigger, user.worker_mapping["FunctionArn"]):
        user.deployment.sign_in(user.name)
        wait_until(lambda: user.deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 1)


def _sign_in_with_event_source_disabled(user: SimulatedUser) -> None:
    _detach_and_clear_marker(user)
    user.functions.update_event_source_mapping(UUID=user.worker_mapping["UUID"], Enabled=False)
    with user.deployment.action_denied("iot:AttachPolicy", user.trigger, user.worker_mapping["FunctionArn"]):
        user.deployment.sign_in(user.name)


def _send_after_worker_attached(user: SimulatedUser) -> Stage:
    user.deployment.wait_until_attached(user.identity_id)
    return user.send_message()


SCENARIOS = [
    FailureScenario(
        1,
        "the identity pool's id was attached instead of the identity id",
        "`iot:DetachPolicy` from the identity, `iot:AttachPolicy` to the identity pool's id",
        "PS205",
        r"myIoTPolicy is attached to the identity pool's id",
        ("aws iot attach-policy", "aws iot detach-policy"),
        break_it=_attach_to_identity_pool_id,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        2,
        "no IoT policy is attached to the identity",
        "`iot:DetachPolicy`, the user's marker cleared",
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
        "a sign-in while neither trigger nor worker may call `iot:AttachPolicy`",
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
        11,
        "an attachment failed and the retry queue's event source is disabled",
        "the event source mapping disabled, a sign-in while the trigger may not call `iot:AttachPolicy`",
        "PS602",
        r"The event source mapping of the retry queue is disabled",
        ("aws lambda update-event-source-mapping",),
        break_it=_sign_in_with_event_source_disabled,
        symptom=Stage.CONNECT,
        options=without_user,
        observe_fixed=_send_after_worker_attached,
    ),
    FailureScenario(
        19,
        "ten policies are attached already",
        "`iot:DetachPolicy`, ten other policies attached",
        "PS203",
        r"10 policies are attached already, and an identity can have 10",
        ("aws iot detach-policy", "aws iot attach-policy"),
        break_it=_attach_ten_other_policies,
        symptom=Stage.SUBSCRIBE,
    ),
    FailureScenario(
        29,
        "the attachment has no effect yet",
        "`iot:AttachPolicy` while changes need a minute to take effect",
        "PS401",
        r"NOT_AUTHORIZED.*a new attachment can take minutes to",
        ("pubsub doctor",),
        break_it=_attach_without_effect,
        symptom=Stage.CONNECT,
        follow=_run_fix_while_it_takes_effect,
    ),
    FailureScenario(
        30,
        "the marker says attached, but the policy was detached",
        "`iot:DetachPolicy`",
        "PS203",
        r"it was detached",
        ("pubsub attach",),
        break_it=SimulatedUser.detach,
        symptom=Stage.CONNECT,
    ),
    FailureScenario(
        30,
        "the marker says attached, but the identity was recreated",
        "`cognito-identity:DeleteIdentities`",
        "PS203",
        r"but to another identity",
        ("pubsub detach", "pubsub attach"),
        break_it=_delete_identity,
        symptom=Stage.CONNECT,
    ),
]
