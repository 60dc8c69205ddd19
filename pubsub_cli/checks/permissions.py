"""Checks of permissions: the user gets AWS credentials, and role and IoT policy allow the front end's requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import TopicsAreValid
from pubsub_cli.checks.context import Context, RoleInUse
from pubsub_cli.checks.identity import SIGN_IN_AGAIN, IdentityIsGiven
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import PolicyExists, deployed_document
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.checks.roles import GroupRolesHoldThePolicies, RoleHoldsThePolicies, RoleTrustsThePool
from pubsub_cli.finding import AwsCommand, Finding, Fix, Status, failed, not_applicable, passed, unknown, warning
from pubsub_cli.iam.documents import VERSION, Policy, Statement
from pubsub_cli.iam.evaluation import AwsDecision, EvaluatedRequest, Outcome, decide
from pubsub_cli.iam.explanation import (
    avoid_denial,
    missing_text,
    other_identities,
    reason_for_denial,
    suggest_changes,
)
from pubsub_cli.iam.iot import (
    MAX_VERSIONS,
    IotPolicy,
    attached_to,
    read_iot_policy,
    read_version,
    simulate_identity,
    things_of,
)
from pubsub_cli.iam.request import (
    CONNECT,
    PUBLISH,
    RECEIVE,
    RETAIN,
    SUBSCRIBE,
    THING_VARIABLES,
    Request,
    RequestContext,
    front_end_requests,
    signed_in_context,
)
from pubsub_cli.iam.roles import Role, read_role, simulate_role
from pubsub_cli.stack import BOUNDARY, CONTROL_PLANE_DENY, RESTORE
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output
from pubsub_client.policy_document import (
    ACTIONS_WITHOUT_MANAGED_POLICY,
    DATA_ACTIONS,
    IDENTITY_SERVICES,
    identity_service,
)

_NOT_TRUSTED = "InvalidIdentityPoolConfigurationException"
_CHECK_TRUST = (
    "A new sign-in does not help, because the identity pool cannot assume its role. An operator can find the reason in "
    "the role's trust policy: pubsub doctor"
)


class CredentialsAreGiven(Check):
    """Without AWS credentials a front end cannot sign its requests. The identity pool refuses them if the role does not
    trust it. A pool that checks tokens also rejects users who were signed out everywhere, disabled or deleted.
    """

    id = "PS302"
    group = Group.AUTHORIZATION
    title = "the identity pool gives the user AWS credentials"
    depends_on = (IdentityIsGiven, RoleTrustsThePool)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        try:
            credentials = await context.session.credentials()
        except SessionError as error:
            reason = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
            return failed(
                f"The identity pool gives the user no AWS credentials: {error}",
                resource=context.output(Output.IDENTITY_POOL_ID),
                fix=_CHECK_TRUST if reason == _NOT_TRUSTED else SIGN_IN_AGAIN,
            )
        end = credentials.expiration
        return passed(f"until {end:%H:%M:%S %Z}" if end else "without an expiration")


_OF_THE_IDENTITY = frozenset(f"{service}:{name}" for service in IDENTITY_SERVICES for name in ("sub", "aud"))
_INVALID_REQUEST = ("InvalidInput", "InvalidRequestException")
"""Errors for requests that AWS does not evaluate; the documents decide then."""
_REMOVALS = ("DetachPolicy", "DetachRolePolicy", "DeleteRolePolicy")
_CHECK_CONDITION = "Check that the condition is met for the front end's requests"
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
_ONLY_IN_IOT = (
    "AWS documents the variables iot:* for IoT policies, not for the policies of roles. Restrict the users in the IoT "
    "policy, and write the role without these variables"
)
_ORGANIZATION = (
    f"Ask the administrators of the AWS organization to allow these actions in this account: {', '.join(DATA_ACTIONS)}"
)


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a front end's requests.

    Args:
        requests: the evaluated requests.
        source: what decided: an operation of AWS, or the documents.
        policies: the policies that can allow.
        context: the values of condition keys and variables.
    """

    requests: tuple[EvaluatedRequest, ...]
    source: str
    policies: tuple[Policy, ...]
    context: RequestContext

    @property
    def denied(self) -> list[EvaluatedRequest]:
        """The requests that are denied."""
        return [each for each in self.requests if each.denied]

    @property
    def uncertain(self) -> list[EvaluatedRequest]:
        """The requests that depend on unknown values."""
        return [each for each in self.requests if each.outcome is Outcome.UNKNOWN]

    @property
    def unknown(self) -> list[str]:
        """The condition keys and variables that these requests depend on."""
        return list(dict.fromkeys(key for each in self.uncertain for key in each.decision.unknown))

    @property
    def detail(self) -> str:
        """The number of requests, what decided, and each disagreement between AWS and the documents."""
        disagreements = dict.fromkeys(each.disagreement for each in self.requests if each.disagreement)
        has_topics = any(each.request.action != CONNECT for each in self.requests)
        count = f"{len(self.requests)} requests" if has_topics else "only connecting, because --topic is not given"
        return "; ".join([f"{count}, by {self.source}", *disagreements])

    def text(self, requests: Sequence[EvaluatedRequest]) -> str:
        """Return requests with the reasons of their denial, grouped by reason."""
        by_reason: dict[str, list[str]] = {}
        for each in requests:
            by_reason.setdefault(reason_for_denial(each, self.policies, self.context), []).append(each.request.text)
        return "; ".join(f"{_enumerate(texts)}: {reason}" for reason, texts in by_reason.items())


def _enumerate(texts: Sequence[str]) -> str:
    *most, last = dict.fromkeys(texts)
    return f"{', '.join(most)} and {last}" if most else last


def _evaluate(
    requests: Sequence[Request],
    ask_aws: Callable[[], Mapping[Request, AwsDecision]],
    policies: Sequence[Policy],
    context: RequestContext,
    boundary: Policy | None = None,
) -> Evaluation:
    """Evaluate requests by policy documents, and by AWS if it evaluates them."""
    decisions: Mapping[Request, AwsDecision] = {}
    source = "the documents"
    try:
        decisions = ask_aws()
        source = next((each.operation for each in decisions.values()), source)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not is_not_permitted(error) and code not in _INVALID_REQUEST:
            raise
        source = f"only the documents ({error.operation_name} answered {code})"
    evaluated = (
        EvaluatedRequest(each, decide(each, policies, context, boundary), decisions.get(each)) for each in requests
    )
    return Evaluation(tuple(evaluated), source, tuple(policies), context)


def _requests(context: Context) -> list[Request]:
    """Return the front end's requests; only the connection if its topics are not known."""
    topics = context.requested_topics if context.topics_known else ()
    return front_end_requests(context.arn_prefix("iot"), context.client_id, topics)


def _request_context(
    context: Context, role_arn: str | None = None, things: Sequence[str] | None = None
) -> RequestContext:
    return signed_in_context(
        context.output(Output.REGION),
        context.output(Output.IDENTITY_POOL_ID),
        user_pool_id=context.output(Output.USER_POOL_ID),
        identity_id=context.policy_identity_id,
        client_id=context.client_id,
        role_arn=role_arn,
        things=things,
    )


def _things(context: Context, policies: Sequence[Policy], identity_id: str | None) -> list[str] | None:
    """Return the things of the identity if a policy depends on them; None if they are not known or not needed."""
    needed = any(THING_VARIABLES.lower() in json.dumps(each.document).lower() for each in policies)
    if not needed or identity_id is None:
        return None
    try:
        return things_of(context.aws.iot, identity_id)
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return None


def _consequence(denied: Sequence[EvaluatedRequest]) -> str:
    """Return what the front end sees, as a sentence.

    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
    """
    actions = {each.request.action for each in denied}
    if CONNECT in actions:
        return "AWS IoT refuses the connection."
    if {SUBSCRIBE, PUBLISH} & actions:
        return "AWS IoT closes the connection."
    received = "AWS IoT keeps the connection open, but delivers no messages. " if RECEIVE in actions else ""
    retained = (
        "AWS IoT closes the connection of a client that publishes a retained message." if RETAIN in actions else ""
    )
    return (received + retained).strip()


def _report_denial(
    denied: Sequence[EvaluatedRequest], cause: str, resource: str, fix: Fix, *, of_stack: bool
) -> Finding:
    """Return the finding for denied requests. Other roles and policies need not allow retained messages."""
    only_retained = {each.request.action for each in denied} == {RETAIN}
    report = warning if only_retained and not of_stack else failed
    return report(cause, resource=resource, fix=fix)


def _warn_of_removal(fix: Fix, of_users: str) -> str:
    """Return the sentence for a fix that removes a policy which denies requests."""
    steps = fix if isinstance(fix, list) else [fix]
    removed = any(isinstance(each, AwsCommand) and each.operation in _REMOVALS for each in steps)
    return f" The fix removes a denial{of_users}: ask its owner first." if removed else ""


def _missing(context: Context, requests: Sequence[Request]) -> str:
    """Return the statements that would allow requests for every user, as JSON."""
    identity_id = context.policy_identity_id
    of_user = [each for each in requests if not other_identities(each, identity_id)]
    return context.advice(missing_text(of_user, identity_id, identity_service(context.output(Output.REGION))))


def _suggest(
    context: Context, requests: Sequence[Request], policy: Policy, evaluation: Evaluation
) -> list[str | AwsCommand]:
    """Return what lets the user's requests pass, without a command that changes the policy."""
    service = identity_service(context.output(Output.REGION))
    changes = suggest_changes(requests, policy, evaluation.context, context.policy_identity_id, service)
    return [context.advice(each) if isinstance(each, str) else each for each in changes]


def _depends_on_iot(unknown: Sequence[str]) -> bool:
    """Return whether a decision depends on a variable of AWS IoT."""
    return any(each.lower().startswith("iot:") for each in unknown)


def _statements(role: Role) -> tuple[Statement, ...]:
    return tuple(statement for policy in role.policies for statement in policy.statements)


def _allows_data_actions(role: Role) -> bool:
    """Return whether the role allows a data action on some resource, perhaps not on the requested one."""
    return any(each.allows and each.covers_action(action) for each in _statements(role) for action in DATA_ACTIONS)


class RoleAllows(BlockingCheck):
    """AWS IoT closes the connection if the role or the IoT policy denies a request.

    IAM's policy simulator decides, and the role's documents show the reason. A condition on an unknown value, such
    as an IP address, is a warning.
    """

    id = "PS306"
    group = Group.AUTHORIZATION
    title = "the role allows connect, subscribe, publish and receive"
    depends_on = (TopicsAreValid, MappingGivesARole, RoleHoldsThePolicies, GroupRolesHoldThePolicies)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        findings = [_check_role(context, role) for role in context.roles]
        worst = (
            each
            for status in (Status.FAILED, Status.UNKNOWN, Status.WARNING)
            for each in findings
            if each.status is status
        )
        return next(worst, passed("; ".join(dict.fromkeys(each.detail for each in findings if each.detail))))


def _check_role(context: Context, in_use: RoleInUse) -> Finding:
    iam = context.aws.iam
    role = read_role(iam, in_use.arn)
    request_context = _request_context(context, role.arn)
    requests = _requests(context)
    evaluation = _evaluate(
        requests,
        lambda: simulate_role(iam, role.arn, requests, request_context),
        role.policies,
        request_context,
        role.boundary,
    )
    if denied := evaluation.denied:
        of_stack = _is_of_stack(context, role)
        fix = list(_role_fix(context, role, evaluation, of_stack=of_stack))
        return _report_denial(
            denied,
            f"{in_use.who} ({role.name}) does not allow its users to {evaluation.text(denied)}. "
            f"{_consequence(denied)} The IoT policy cannot change that."
            f"{_warn_of_removal(fix, ' for all users of the role')}",
            role.arn,
            fix,
            of_stack=of_stack,
        )
    if uncertain := evaluation.uncertain:
        context.unknown_permissions = True
        return unknown(
            f"It is unknown whether {in_use.within_sentence} ({role.name}) allows its users to "
            f"{evaluation.text(uncertain)}.",
            resource=role.arn,
            fix=_ONLY_IN_IOT if _depends_on_iot(evaluation.unknown) else _CHECK_CONDITION,
            blocks=False,
        )
    return passed(evaluation.detail)


def _role_fix(context: Context, role: Role, evaluation: Evaluation, *, of_stack: bool) -> Iterator[str | AwsCommand]:
    """Yield the lines of the fix that lets the role allow the denied requests."""
    denying: dict[str, tuple[Policy, dict[str, Statement]]] = {}
    causes: dict[str, list[Request]] = {}
    for each in evaluation.denied:
        decision = each.decision
        if each.aws and each.aws.by_organization:
            cause = "organization"
        elif decision.outcome is Outcome.EXPLICIT_DENY and decision.policy and decision.statement:
            _, statements = denying.setdefault(decision.policy.key, (decision.policy, {}))
            statements[decision.statement.text] = decision.statement
            cause = "denial"
        elif decision.outcome is Outcome.IMPLICIT_DENY and decision.policy is None:
            cause = "retained" if each.request.action in ACTIONS_WITHOUT_MANAGED_POLICY else "role"
        elif decision.outcome is Outcome.IMPLICIT_DENY:
            cause = "boundary"
        elif _depends_on_iot(decision.unknown):
            cause = "variable"
        else:
            cause = "simulator"
        causes.setdefault(cause, []).append(each.request)
    for policy, statements in denying.values():
        if _is_guard(policy):
            yield "Use topics that do not begin with $aws/, or set reservedTopics to true in cdk.json and deploy again"
        elif of_stack:
            yield from _stop_denying(role, policy, statements)
        else:
            yield from (avoid_denial(policy, each) for each in statements.values())
    if "role" in causes and of_stack and context.own_topics:
        yield RESTORE
    elif "role" in causes and not of_stack and _allows_data_actions(role):
        # Many users have the role, and AWSIoTDataAccess would open all topics to them.
        restricted = Policy(f"the role {role.name}", role.arn, _statements(role), {"Version": VERSION})
        yield from _suggest(context, causes["role"], restricted, evaluation)
    elif "role" in causes:
        data_access = f"arn:{role.arn.split(':')[1]}:iam::aws:policy/AWSIoTDataAccess"
        # Not safe for a role that is not the stack's, because it may be meant to allow less.
        parameters = {"RoleName": role.name, "PolicyArn": data_access}
        yield AwsCommand("iam", "AttachRolePolicy", parameters, safe=of_stack)
    if "retained" in causes and of_stack:
        yield "Deploy the stack again; this version allows retained messages: cdk deploy --revert-drift"
    elif "retained" in causes and (added := _missing(context, causes["retained"])):
        yield f"If the front end publishes retained messages, add to the role {role.name}: {added}"
    if "boundary" in causes and role.boundary:
        yield from _suggest(context, causes["boundary"], role.boundary, evaluation)
    if "organization" in causes:
        yield _ORGANIZATION
    if "variable" in causes:
        yield _ONLY_IN_IOT
    if "simulator" in causes:
        yield "Check the role in IAM's policy simulator: https://policysim.aws.amazon.com"


def _is_of_stack(context: Context, role: Role) -> bool:
    """Return whether a stack of this toolkit has the role. A group's role, for example, can be another one."""
    if context.deployment_ids:
        return False
    if role.arn == context.outputs.get(Output.AUTH_ROLE_ARN):
        return True
    return any(each.get("PhysicalResourceId") == role.name for each in context.resources)


def _is_guard(policy: Policy) -> bool:
    """Return whether a policy is the control-plane guard of a stack of this toolkit, which no fix may remove."""
    return any(each.construct_id in policy.key for each in (BOUNDARY, CONTROL_PLANE_DENY))


def _stop_denying(role: Role, policy: Policy, statements: Mapping[str, Statement]) -> Iterator[str | AwsCommand]:
    """Yield the command that removes a policy that only denies; otherwise the statements to remove from it."""
    bounds = role.boundary is not None and policy.key == role.boundary.key
    if bounds or any(each.allows for each in policy.statements):
        yield from (f"Remove from {policy.name}: {text}" for text in statements)
    elif policy.key.startswith("arn:"):
        yield AwsCommand("iam", "DetachRolePolicy", {"RoleName": role.name, "PolicyArn": policy.key})
    else:
        yield AwsCommand("iam", "DeleteRolePolicy", {"RoleName": role.name, "PolicyName": policy.key})


class PolicyAllows(BlockingCheck):
    """The check evaluates the attached policies, and the stack's as if it were attached. AWS IoT's TestAuthorization
    decides, and the documents show the reason.

    Common mistakes: an ARN of another region or account; `topic/` instead of `topicfilter/`; no `client/`; MQTT
    wildcards, which are literal in a policy.
    """

    id = "PS307"
    group = Group.AUTHORIZATION
    title = "the IoT policy allows connect, subscribe, publish and receive"
    depends_on = (TopicsAreValid, PolicyExists, IdentityIsGiven)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        iot, identity_id = context.aws.iot, context.known_identity_id
        attached = attached_to(iot, identity_id) if identity_id else []
        own = context.outputs.get(Output.POLICY_NAME)
        if context.deployment_ids and attached and own not in attached:
            own = None  # PS203 warns of it.
        names = list(dict.fromkeys([*([own] if own else []), *attached]))
        if not names:
            return not_applicable("no IoT policy is given, and none is attached to the identity")
        policies, unread = _read_policies(context, names)
        documents = [each.policy for each in policies]
        request_context = _request_context(context, things=_things(context, documents, identity_id))
        # TestAuthorization does not test retained messages, and an unread policy might allow them.
        requests = [each for each in _requests(context) if not unread or each.action != RETAIN]

        def ask_aws() -> dict[Request, AwsDecision]:
            if not identity_id:
                return {}
            pool_id, with_policy = context.output(Output.IDENTITY_POOL_ID), own if own not in attached else None
            return simulate_identity(iot, identity_id, pool_id, context.client_id, requests, with_policy=with_policy)

        evaluation = _evaluate(requests, ask_aws, documents, request_context)
        if denied := evaluation.denied:
            if unread and not all(each.aws for each in denied):
                raise unread  # AWS IoT has not decided, and the unread policy might allow the request.
            fix = _policy_fix(context, policies, evaluation)
            return _report_denial(
                denied,
                f"The IoT policy does not allow the user to {evaluation.text(denied)}. {_consequence(denied)}"
                f"{_warn_of_removal(fix, ' for the user')}",
                policies[0].arn,
                fix,
                of_stack=context.deployment_ids is None,
            )
        if (
            evaluation.uncertain
            and Requirement.IDENTITY not in context.available
            and set(evaluation.unknown) <= _OF_THE_IDENTITY
        ):
            return not_applicable(f"it depends on {', '.join(evaluation.unknown)}: give --user to check it")
        if evaluation.uncertain:
            context.unknown_permissions = True
            return unknown(
                f"It is unknown whether the IoT policy allows the user to {evaluation.text(evaluation.uncertain)}.",
                resource=policies[0].arn,
                fix=_CHECK_CONDITION,
                blocks=False,
            )
        return passed(evaluation.detail)


def _read_policies(context: Context, names: Sequence[str]) -> tuple[list[IotPolicy], ClientError | None]:
    """Return the readable policies, and the error for those that the operator may not read.

    Raises:
        botocore.exceptions.ClientError: no policy, or not the deployment's own, can be read; or another error.
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


def _policy_fix(context: Context, policies: Sequence[IotPolicy], evaluation: Evaluation) -> Fix:
    """Return the fix: it restores the deployment's policy, or detaches another policy that denies the requests.

    A policy applies to all users, so the fix never writes a document made from one user's requests. It restores a
    deployed version, or shows the missing statement.
    """
    policy, denied = policies[0], evaluation.denied
    requests = [each.request for each in evaluation.requests]
    others = {each.decision.policy.key for each in denied if each.decision.policy} - {policy.name}
    detach = [
        AwsCommand("iot", "DetachPolicy", {"policyName": name, "target": context.known_identity_id})
        for name in sorted(others)
    ]
    if _allows(policy.policy, requests, evaluation.context):
        return detach or "Check what the attached policies allow with `aws iot test-authorization`"
    as_deployed = deployed_document(context) if context.deployment_ids is None else None
    if as_deployed is None:
        return [*detach, *_suggest(context, [each.request for each in denied], policy.policy, evaluation)]
    if version := _earlier_version(context, policy, evaluation, as_deployed):
        return [*detach, version]
    if _allows(Policy.read("", policy.name, as_deployed), requests, evaluation.context):
        return [*detach, *_create_version(policy, as_deployed)]
    return "Add the topics to the setting topics in cdk.json and deploy again, or use topics that the policy allows"


def _allows(policy: Policy, requests: Sequence[Request], context: RequestContext) -> bool:
    return all(decide(request, [policy], context).allowed for request in requests)


def _earlier_version(
    context: Context, policy: IotPolicy, evaluation: Evaluation, as_deployed: dict[str, Any]
) -> AwsCommand | None:
    """Return the command that activates an earlier version with the deployed document, if it allows all requests."""
    requests = [each.request for each in evaluation.requests]
    try:
        versions = {each: read_version(context.aws.iot, policy.name, each) for each in policy.others}
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return None
    for version, document in versions.items():
        if document.document == as_deployed and _allows(document, requests, evaluation.context):
            parameters = {"policyName": policy.name, "policyVersionId": version}
            return AwsCommand("iot", "SetDefaultPolicyVersion", parameters, safe=True)
    return None


def _create_version(policy: IotPolicy, document: dict[str, Any]) -> list[AwsCommand]:
    """Return the commands that activate a document; if there are five versions, they first delete the oldest."""
    oldest = {"policyName": policy.name, "policyVersionId": min(policy.others, key=int, default="")}
    full = len(policy.others) + 1 >= MAX_VERSIONS
    parameters = {
        "policyName": policy.name,
        "policyDocument": json.dumps(document, separators=(",", ":")),
        "setAsDefault": True,
    }
    return [
        *([AwsCommand("iot", "DeletePolicyVersion", oldest)] if full else []),
        AwsCommand("iot", "CreatePolicyVersion", parameters, safe=True),
    ]
