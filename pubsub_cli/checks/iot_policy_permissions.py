"""Does the IoT policy allow what the front end does?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import TopicsAreValid
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.identity import IdentityIsGiven
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.permissions import Judgement, asked_facts, asked_requests, judge
from pubsub_cli.checks.provisioning import PolicyExists, deployed_document
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, not_applicable, passed, warning
from pubsub_cli.iam.decision import decide
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.iot_policy import MOST_VERSIONS, IotPolicy, attached_to, read_iot_policy, read_version
from pubsub_cli.iam.repair import put_right
from pubsub_cli.iam.request import ANY_CLIENT_ID, Request
from pubsub_cli.iam.simulation import ask_iot
from pubsub_client.outputs import Output
from pubsub_client.policy_document import IDENTITY_SERVICES, MAX_CHARACTERS

_OF_THE_IDENTITY = frozenset(f"{service}:{name}" for service in IDENTITY_SERVICES for name in ("sub", "aud"))


class PolicyAllows(Check):
    """The IoT policy lets signed-in users connect, subscribe, publish and receive.

    Asked is about the policies attached to the user's identity, and the deployment's as if it were attached; AWS IoT's
    TestAuthorization decides, the documents tell why. People meet: an ARN of another region or account, or malformed;
    `topic/` where AWS IoT asks `topicfilter/`; no `client/`; an MQTT wildcard, which in a policy stands for itself;
    another version in effect.
    """

    id = "PS307"
    group = Group.AUTHORIZATION
    title = "the IoT policy allows connect, subscribe, publish and receive"
    depends_on = (TopicsAreValid, PolicyExists, IdentityIsGiven)

    async def run(self, context: Context) -> Finding:
        """Read the policies, and have AWS IoT test the requests."""
        return await asyncio.to_thread(_look, context)


def _look(context: Context) -> Finding:
    iot, identity_id = context.aws.iot, context.known_identity_id
    attached = attached_to(iot, identity_id) if identity_id else []
    ours = context.outputs.get(Output.POLICY_NAME)
    names = list(dict.fromkeys([*([ours] if ours else []), *attached]))
    if not names:
        return not_applicable("no IoT policy is named, and none is attached to somebody asked about")
    policies, unread = _read(context, names)
    pool_id, used_client_id = context.output(Output.IDENTITY_POOL_ID), context.client_id
    facts = asked_facts(context)
    asked = asked_requests(context)
    documents = [each.policy for each in policies]
    judgement = judge(
        asked,
        lambda request: decide(request, documents, facts),
        (
            lambda: ask_iot(
                iot, identity_id, pool_id, used_client_id, asked, with_policy=ours if ours not in attached else None
            )
        )
        if identity_id
        else None,
        documents,
        facts,
    )
    if denied := judgement.denied:
        if unread and not all(each.answer for each in denied):
            raise unread  # AWS IoT has not decided, and what may not be read may allow it.
        return failed(
            f"The IoT policy does not let the user {judgement.text(denied)}. AWS IoT closes the connection.",
            resource=policies[0].arn,
            fix=_fix(context, policies, judgement, asked),
        )
    if judgement.undecided and not (
        Requirement.IDENTITY not in context.available and set(judgement.unknown) <= _OF_THE_IDENTITY
    ):
        return warning(
            f"Whether the IoT policy lets the user {judgement.text(judgement.undecided)}. What of it is true for a "
            "front end is not known here.",
            resource=policies[0].arn,
            fix="See whether the condition is met where the front end runs",
        )
    if judgement.undecided:
        return passed(f"it turns on {', '.join(judgement.unknown)}: ask about a user")
    return passed(judgement.detail)


def _read(context: Context, names: Sequence[str]) -> tuple[list[IotPolicy], ClientError | None]:
    """Return policies, and the error of those that the operator may not read: others' that are attached as well.

    Raises:
        botocore.exceptions.ClientError: none of them may be read, nor the deployment's own; or it is another error.
    """
    policies, unread = [], None
    for name in names:
        try:
            policies.append(read_iot_policy(context.aws.iot, name))
        except ClientError as error:
            if not is_not_permitted(error) or name == context.outputs.get(Output.POLICY_NAME):
                raise
            unread = error
    if unread and not policies:
        raise unread
    return policies, unread


def _fix(context: Context, policies: Sequence[IotPolicy], judgement: Judgement, asked: Sequence[Request]) -> Fix:
    """Return what lets the deployment's policy allow what is denied, or takes the one that denies out of the way."""
    policy, facts = policies[0], judgement.facts
    others = {each.decision.policy.key for each in judgement.denied if each.decision.policy} - {policy.name}
    detaching = [
        AwsCommand("iot", "DetachPolicy", {"policyName": name, "target": context.known_identity_id})
        for name in sorted(others)
    ]
    if _allows(policy.policy, asked, facts):
        return detaching or "See what the policies attached to the identity say: aws iot test-authorization"
    as_deployed = deployed_document(context) if context.deployment_ids is None else None
    if version := _earlier(context, policy, asked, facts, as_deployed):
        return [*detaching, version]
    if as_deployed and _allows(Policy.read("", policy.name, as_deployed), asked, facts):
        return [*detaching, *_new_version(policy, as_deployed, safe=True)]
    if as_deployed:
        return "Add the topics to the setting topics in cdk.json, and deploy again; or use topics that it opens"
    right = put_right(policy.policy, asked, facts)
    if right is None:
        return _another_client_id(judgement)
    if len(json.dumps(right, separators=(",", ":"))) > MAX_CHARACTERS:
        return f"Let {policy.name} allow it in fewer characters: a document has {MAX_CHARACTERS} at most"
    return [*detaching, *_new_version(policy, right)]


def _earlier(
    context: Context,
    policy: IotPolicy,
    asked: Sequence[Request],
    facts: Facts,
    as_deployed: dict[str, Any] | None,
) -> AwsCommand | None:
    """Return what puts an earlier version into effect, if there is one that allows all; safe if the stack made it."""
    try:
        versions = {each: read_version(context.aws.iot, policy.name, each) for each in policy.others}
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return None  # a version made anew does as well
    good = [each for each, version in versions.items() if _allows(version, asked, facts)]
    deployed = [each for each in good if versions[each].document == as_deployed]
    if not good or (as_deployed and not deployed):
        return None
    parameters = {"policyName": policy.name, "policyVersionId": (deployed or good)[0]}
    return AwsCommand("iot", "SetDefaultPolicyVersion", parameters, safe=bool(deployed))


def _new_version(policy: IotPolicy, document: dict[str, Any], *, safe: bool = False) -> list[AwsCommand]:
    """Return what puts a document into effect, and makes room for it first where there is none."""
    oldest = {"policyName": policy.name, "policyVersionId": min(policy.others, key=int, default="")}
    full = len(policy.others) + 1 >= MOST_VERSIONS
    parameters = {
        "policyName": policy.name,
        "policyDocument": json.dumps(document, separators=(",", ":")),
        "setAsDefault": True,
    }
    return [
        *([AwsCommand("iot", "DeletePolicyVersion", oldest)] if full else []),
        AwsCommand("iot", "CreatePolicyVersion", parameters, safe=safe),
    ]


def _allows(policy: Policy, asked: Sequence[Request], facts: Facts) -> bool:
    return all(decide(request, [policy], facts).allowed for request in asked)


def _another_client_id(judgement: Judgement) -> str:
    for verdict in judgement.denied:
        if verdict.request.name == ANY_CLIENT_ID:
            return (
                "Give Amplify PubSub the client id that the policy allows: new PubSub({ region, endpoint, clientId }), "
                "with the identity id of fetchAuthSession(), say; ask again with --client-id"
            )
    return "Let the policy allow it without the condition that is in the way"
