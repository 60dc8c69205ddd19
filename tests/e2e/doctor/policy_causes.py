"""The IoT policy is there and attached, and does not allow what PubSub does."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.patient import Patient, Stage


def _change(change: Callable[[str, Patient], str], patient: Patient) -> None:
    """Let the policy be as if it had been made wrong: with its statements changed as text, and no other version."""
    document = json.loads(patient.iot.get_policy(policyName=patient.policy)["policyDocument"])
    changed = [change(json.dumps(statement), patient) for statement in document["Statement"]]
    _put_in_force(patient, [json.loads(each) for each in changed if each])
    for version in patient.iot.list_policy_versions(policyName=patient.policy)["policyVersions"]:
        if not version["isDefaultVersion"]:
            patient.iot.delete_policy_version(policyName=patient.policy, policyVersionId=version["versionId"])


def _put_in_force(patient: Patient, statements: list[dict[str, Any]]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    patient.iot.create_policy_version(policyName=patient.policy, policyDocument=document, setAsDefault=True)


def _without(kind: str) -> Callable[[Patient], None]:
    """Leave out the statements about a kind of resource."""
    return partial(_change, lambda statement, _: "" if f":{kind}/" in statement else statement)


def _of_another_region(statement: str, patient: Patient) -> str:
    return statement.replace(f":iot:{patient.deployment.cloud.region}:", ":iot:eu-central-1:")


def _subscribe_to_topics(statement: str, _: Patient) -> str:
    return statement.replace(":topicfilter/", ":topic/")


def _delete(patient: Patient) -> None:
    """Delete the policy of a deployment with this one user, whom alone it is then to be attached to again."""
    for others in patient.pages_of_other_identities():
        patient.identities.delete_identities(IdentityIdsToDelete=others)
    pages = patient.iot.get_paginator("list_targets_for_policy").paginate(policyName=patient.policy)
    for target in [target for page in pages for target in page["targets"]]:
        patient.iot.detach_policy(policyName=patient.policy, target=target)
    patient.iot.delete_policy(policyName=patient.policy)


def _put_another_version_in_force(patient: Patient) -> None:
    """As somebody who has tried something out and forgot to go back."""
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": patient.arn("client/try-*")}
    _put_in_force(patient, [statement])


def _replaces(made: str) -> str:
    return f"`iot:CreatePolicyVersion`, in effect and the only one, {made}"


CAUSES = [
    Cause(
        5,
        "the policy lacks the resource client/",
        _replaces("without the statement on `client/`"),
        "PS307",
        r"connect with .*: no statement of it allows iot:Connect",
        ("aws iot create-policy-version",),
        symptom=Stage.CONNECT,
        make=_without("client"),
    ),
    Cause(
        5,
        "the policy lacks the resource topic/",
        _replaces("without the statement on `topic/`"),
        "PS307",
        r"publish to news/today: .*: no statement of it allows iot:Publish",
        ("aws iot create-policy-version",),
        symptom=Stage.PUBLISH,
        make=_without("topic"),
    ),
    Cause(
        5,
        "the policy allows subscribing to topic/ instead of topicfilter/",
        _replaces("with `topic/` for `topicfilter/`"),
        "PS307",
        r"is a topic/, but AWS IoT checks topicfilter/ for iot:Subscribe",
        ("aws iot create-policy-version",),
        symptom=Stage.SUBSCRIBE,
        make=partial(_change, _subscribe_to_topics),
    ),
    Cause(
        5,
        "the policy's ARNs are of another region",
        _replaces("with another region in its ARNs"),
        "PS307",
        r"client/\* is of region eu-central-1, not us-east-1",
        ("aws iot create-policy-version",),
        symptom=Stage.CONNECT,
        make=partial(_change, _of_another_region),
    ),
    Cause(
        18,
        "the policy was deleted",
        "`iot:DetachPolicy` from all, `iot:DeletePolicy`",
        "PS111",
        r"The IoT policy myIoTPolicy does not exist",
        ("aws iot create-policy", "pubsub sweep"),
        symptom=Stage.CONNECT,
        make=_delete,
    ),
    Cause(
        18,
        "another version of the policy is in effect",
        "`iot:CreatePolicyVersion` of a policy that opens some client ids alone, in effect",
        "PS307",
        r"no statement of the IoT policy myIoTPolicy \(version \d+, in effect\) covers it",
        ("aws iot set-default-policy-version",),
        symptom=Stage.CONNECT,
        make=_put_another_version_in_force,
    ),
]
