"""AWS IoT policies: their versions, those attached to an identity, and the decisions of TestAuthorization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pubsub_cli.iam.documents import Policy
from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.request import CONNECT, PUBLISH, RECEIVE, SUBSCRIBE, Request

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

MAX_VERSIONS = 5
"""The number of versions that a policy can have: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_OUTCOMES = {
    "ALLOWED": Outcome.ALLOWED,
    "EXPLICIT_DENY": Outcome.EXPLICIT_DENY,
    "IMPLICIT_DENY": Outcome.IMPLICIT_DENY,
}
_IOT_ACTIONS: dict[str, Literal["CONNECT", "PUBLISH", "RECEIVE", "SUBSCRIBE"]] = {
    CONNECT: "CONNECT",
    PUBLISH: "PUBLISH",
    RECEIVE: "RECEIVE",
    SUBSCRIBE: "SUBSCRIBE",
}
_MAX_AUTH_INFOS = 10
"""The number of requests in one call of TestAuthorization: https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html"""


@dataclass(frozen=True)
class IotPolicy:
    """An IoT policy in the version that is in effect, and the ids of its other versions, the latest first."""

    name: str
    arn: str
    policy: Policy
    others: tuple[str, ...]


def read_iot_policy(iot: IoTClient, name: str) -> IotPolicy:
    """Read a policy.

    Raises:
        iot.exceptions.ResourceNotFoundException: there is no such policy.
        botocore.exceptions.ClientError: reading is not permitted.
    """
    described = iot.get_policy(policyName=name)
    versions = iot.list_policy_versions(policyName=name)["policyVersions"]
    others = sorted((each["versionId"] for each in versions if not each["isDefaultVersion"]), key=int, reverse=True)
    title = f"the IoT policy {name} (version {described['defaultVersionId']}, in effect)"
    policy = Policy.read(title, name, described["policyDocument"])
    return IotPolicy(name, described["policyArn"], policy, tuple(others))


def read_version(iot: IoTClient, name: str, version: str) -> Policy:
    """Read another version of a policy than the one in effect.

    Raises:
        botocore.exceptions.ClientError: there is no such version, or reading is not permitted.
    """
    document = iot.get_policy_version(policyName=name, policyVersionId=version)["policyDocument"]
    return Policy.read(f"the IoT policy {name} (version {version})", name, document)


def attached_to(iot: IoTClient, identity_id: str) -> list[str]:
    """Return the names of the policies attached to an identity.

    Raises:
        botocore.exceptions.ClientError: the call is not permitted.
    """
    pages = iot.get_paginator("list_attached_policies").paginate(target=identity_id)
    return [each["policyName"] for page in pages for each in page["policies"]]


def things_of(iot: IoTClient, identity_id: str) -> list[str]:
    """Return the names of the things that an identity is attached to.

    Raises:
        botocore.exceptions.ClientError: the call is not permitted.
    """
    try:
        pages = [*iot.get_paginator("list_principal_things").paginate(principal=identity_id)]
    except iot.exceptions.ResourceNotFoundException:
        return []
    return [thing for page in pages for thing in page["things"]]


def simulate_identity(
    iot: IoTClient,
    identity_id: str,
    identity_pool_id: str,
    client_id: str,
    requests: Sequence[Request],
    *,
    with_policy: str | None,
) -> dict[Request, AwsDecision]:
    """Have AWS IoT test requests against the policies attached to an identity. It cannot test retained messages.

    AWS IoT also evaluates the identity pool's role for authenticated users, which is not the role of every user. A
    denial does not name its origin. So denied requests are tested again without the identity pool. A denial that
    remains comes from the IoT policies, unless it depends on a value that only the identity pool provides. The result
    omits the requests that perhaps only the role denies.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html#group-test-authorization
    https://docs.aws.amazon.com/iot/latest/apireference/API_AuthResult.html

    Args:
        iot: the client of AWS IoT.
        identity_id: the identity.
        identity_pool_id: its identity pool.
        client_id: the MQTT client id.
        requests: the requests.
        with_policy: another policy to evaluate as if it were attached; None to evaluate only the attached policies.

    Raises:
        botocore.exceptions.ClientError: the call is not permitted.
    """
    added = [with_policy] if with_policy else []
    options: dict[str, Any] = {"principal": identity_id, "clientId": client_id, "policyNamesToAdd": added}
    testable = [each for each in requests if each.action in _IOT_ACTIONS]
    decisions = _test(iot, testable, **options, cognitoIdentityPoolId=identity_pool_id)
    denied = [request for request, decision in decisions.items() if decision.outcome is not Outcome.ALLOWED]
    for request, decision in _test(iot, denied, **options).items():
        if decision.outcome is Outcome.ALLOWED or decision.missing:
            del decisions[request]
        else:
            decisions[request] = decision
    return decisions


def _test(iot: IoTClient, requests: Sequence[Request], **options: Any) -> dict[Request, AwsDecision]:
    decisions = {}
    for first in range(0, len(requests), _MAX_AUTH_INFOS):
        batch = requests[first : first + _MAX_AUTH_INFOS]
        results = iot.test_authorization(
            authInfos=[{"actionType": _IOT_ACTIONS[each.action], "resources": [each.resource]} for each in batch],
            **options,
        )["authResults"]
        for request, result in zip(batch, results, strict=True):
            denied = result.get("denied", {}).get("explicitDeny", {}).get("policies", [])
            decisions[request] = AwsDecision(
                outcome=_OUTCOMES[result["authDecision"]],
                operation="TestAuthorization",
                policies=tuple(each["policyName"] for each in denied),
                missing=tuple(result.get("missingContextValues", [])),
            )
    return decisions
