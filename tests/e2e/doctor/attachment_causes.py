"""The IoT policy is not attached to the user's identity, or not yet."""

from __future__ import annotations

import json
import uuid

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.doctor.asked import about_identity, about_nobody
from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.patient import Patient, Stage

_ALLOW_CONNECTING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]}
)


def _detach(patient: Patient) -> None:
    patient.iot.detach_policy(policyName=patient.policy, target=patient.identity_id)


def _forget(patient: Patient) -> None:
    """Let the user be as one who was never attached."""
    _detach(patient)
    patient.users.admin_update_user_attributes(
        UserPoolId=patient.user_pool_id,
        Username=patient.user,
        UserAttributes=[{"Name": f"custom:{MARKER_ATTRIBUTE}", "Value": ""}],
    )


def _attach_to_the_pool(patient: Patient) -> None:
    _detach(patient)
    attachment = {"policyName": patient.policy, "target": patient.identity_pool_id}
    patient.iot.attach_policy(**attachment)
    patient.cleanup.callback(patient.iot.detach_policy, **attachment)


def _attach_ten_others(patient: Patient) -> None:
    _detach(patient)
    for _ in range(10):
        name = f"other-{uuid.uuid4().hex[:8]}"
        patient.iot.create_policy(policyName=name, policyDocument=_ALLOW_CONNECTING)
        patient.iot.attach_policy(policyName=name, target=patient.identity_id)
        patient.cleanup.callback(patient.iot.detach_policy, policyName=name, target=patient.identity_id)


def _make_the_identity_anew(patient: Patient) -> None:
    patient.identities.delete_identities(IdentityIdsToDelete=[patient.identity_id])


def _attach_slowly(patient: Patient) -> None:
    _detach(patient)
    patient.deployment.cloud.policy_propagation_seconds = 60
    patient.iot.attach_policy(policyName=patient.policy, target=patient.identity_id)


def _let_it_act(patient: Patient) -> None:
    patient.deployment.cloud.policy_propagation_seconds = 0


def _give_up(patient: Patient) -> None:
    """Let the user sign in while neither trigger nor worker may attach."""
    _forget(patient)
    with patient.attaching_forbidden():
        patient.deployment.sign_in(patient.user)
        patient.wait_until(lambda: patient.deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) == 1)


def _let_it_wait(patient: Patient) -> None:
    """Let the user sign in while the trigger may not attach, and let the queue feed nobody."""
    _forget(patient)
    patient.functions.update_event_source_mapping(UUID=patient.worker_mapping["UUID"], Enabled=False)
    with patient.attaching_forbidden():
        patient.deployment.sign_in(patient.user)


def _after_the_worker(patient: Patient) -> Stage:
    """Look once the worker has attached what it was fed."""
    patient.deployment.wait_until_attached(patient.identity_id)
    return patient.chat(patient.tokens)


CAUSES = [
    Cause(
        1,
        "the identity pool's id was attached instead of the identity id",
        "`iot:DetachPolicy` from the identity, `iot:AttachPolicy` to the identity pool's id",
        "PS205",
        r"myIoTPolicy is attached to the identity pool's id",
        ("aws iot attach-policy", "aws iot detach-policy"),
        symptom=Stage.CONNECT,
        make=_attach_to_the_pool,
    ),
    Cause(
        2,
        "no IoT policy is attached to the identity",
        "`iot:DetachPolicy`, the user's marker emptied",
        "PS203",
        r"myIoTPolicy is not attached to the user's identity.*No sign-in is known to have attached it",
        ("aws iot attach-policy",),
        symptom=Stage.CONNECT,
        make=_forget,
        ask=about_identity,
    ),
    Cause(
        11,
        "attaching failed, and the attachment is a dead letter",
        "a sign-in while neither trigger nor worker may call `iot:AttachPolicy`",
        "PS601",
        r"1 attachment\(s\) that sign-ins owed were given up",
        ("pubsub redrive", "pubsub redrive"),
        symptom=Stage.CONNECT,
        make=_give_up,
        ask=about_nobody,
        works=_after_the_worker,
        status="warning",
    ),
    Cause(
        11,
        "attaching failed, and the queue feeds no worker",
        "the event source mapping disabled, a sign-in while the trigger may not call `iot:AttachPolicy`",
        "PS602",
        r"The event source mapping of the retry queue is disabled",
        ("aws lambda update-event-source-mapping",),
        symptom=Stage.CONNECT,
        make=_let_it_wait,
        ask=about_nobody,
        works=_after_the_worker,
    ),
    Cause(
        19,
        "ten policies are attached already",
        "`iot:DetachPolicy`, ten other policies attached",
        "PS203",
        r"10 policies are attached already, and an identity can have 10",
        ("aws iot detach-policy", "aws iot attach-policy"),
        symptom=Stage.SUBSCRIBE,
        make=_attach_ten_others,
    ),
    Cause(
        29,
        "the attachment has not taken effect yet",
        "`iot:AttachPolicy` while changes take a minute to act",
        "PS401",
        r"NOT_AUTHORIZED.*a new attachment can take minutes to act",
        ("pubsub doctor",),
        symptom=Stage.CONNECT,
        make=_attach_slowly,
        meanwhile=_let_it_act,
    ),
    Cause(
        30,
        "the marker says attached, but the policy was detached",
        "`iot:DetachPolicy`",
        "PS203",
        r"it was detached manually",
        ("pubsub attach",),
        symptom=Stage.CONNECT,
        make=_detach,
    ),
    Cause(
        30,
        "the marker says attached, but the identity was made anew",
        "`cognito-identity:DeleteIdentities`",
        "PS203",
        r"but to another identity.*was deleted and created again",
        ("pubsub detach", "pubsub attach"),
        symptom=Stage.CONNECT,
        make=_make_the_identity_anew,
    ),
]
