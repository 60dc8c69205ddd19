"""Explains why a request is denied, which mistake in a policy is the likely cause, and which statement is missing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pubsub_cli.iam.documents import VERSION, Policy, Statement, matches, variable_names
from pubsub_cli.iam.evaluation import EvaluatedRequest, Outcome
from pubsub_cli.iam.request import ANY_CLIENT_ID, CONNECT, KINDS, SOME_LEVEL, Request, RequestContext

_ORGANIZATION = "a policy of the AWS organization (for example, a service control policy) does not allow it"
_GIVE_CLIENT_ID = (
    "Give Amplify PubSub the client id that the policy allows, for example the identity id of fetchAuthSession(): "
    "new PubSub({ region, endpoint, clientId }); check again with --client-id"
)

_ARN = re.compile(r"arn:([^:]*):([^:]*):([^:]*):([^:]*):([^:].*)", re.DOTALL)
_FIELDS = ("partition", "service", "region", "account")
_KIND = re.compile(rf"(?:({'|'.join(sorted(set(KINDS.values()), key=len, reverse=True))})[/:])?(.*)", re.DOTALL)
_MQTT_WILDCARD = re.compile(r"(?<![^/])[+#](?![^/])")


def reason_for_denial(evaluated: EvaluatedRequest, policies: Sequence[Policy], context: RequestContext) -> str:
    """Return why a request is not allowed, as the end of a sentence."""
    if evaluated.disagreement:
        return _reason_of_aws(evaluated)
    decision = evaluated.decision
    match decision.outcome:
        case Outcome.EXPLICIT_DENY if decision.policy and decision.statement:
            return f"{decision.policy.name} denies it: {decision.statement.text}"
        case Outcome.UNDECIDED if decision.policy and decision.statement:
            return f"it depends on {', '.join(decision.unknown)} in {decision.policy.name}: {decision.statement.text}"
    candidates = [decision.policy] if decision.policy else policies
    mistakes = [f"{each.policy.name}: {each.text}" for each in likely_mistakes(evaluated.request, candidates, context)]
    if decision.policy:
        mistakes.insert(0, f"{decision.policy.name} does not allow it, and limits the role")
    if mistakes:
        return "; ".join(dict.fromkeys(mistakes))
    names = ", ".join(each.name for each in policies)
    return f"no statement of {names} covers it" if names else "there is no policy that allows it"


def _reason_of_aws(evaluated: EvaluatedRequest) -> str:
    aws = evaluated.aws
    if aws and aws.by_organization:
        return f"{_ORGANIZATION}; {evaluated.disagreement}"
    named = f", naming {', '.join(aws.policies)}" if aws and aws.policies else ""
    bounded = ", because of the permissions boundary" if aws and aws.by_boundary else ""
    return f"{evaluated.disagreement}{named}{bounded}"


def missing_statements(requests: Iterable[Request], identity_id: str | None, service: str) -> list[dict[str, Any]]:
    """Return the statements that would allow requests of any user: identity ids are replaced by their variable.

    Args:
        requests: the requests.
        identity_id: the identity id that their resources contain; None if they contain none.
        service: the name of Amazon Cognito identity pools in the region's policies.
    """
    actions: dict[str, list[str]] = {}
    for request in requests:
        resource = request.resource.replace(ANY_CLIENT_ID, "*").replace(SOME_LEVEL, "*")
        if identity_id:
            resource = resource.replace(identity_id, f"${{{service}:sub}}")
        actions.setdefault(resource, []).append(request.action)
    resources: dict[tuple[str, ...], list[str]] = {}
    for resource, names in actions.items():
        resources.setdefault(tuple(dict.fromkeys(names)), []).append(resource)
    return [{"Effect": "Allow", "Action": [*names], "Resource": of_actions} for names, of_actions in resources.items()]


@dataclass(frozen=True)
class LikelyMistake:
    """A mistake in a policy without which it would allow a request.

    Args:
        text: the mistake, as a part of a sentence.
        policy: the policy.
        fix: the change that corrects it; None if a statement is missing.
        corrected: the corrected resource; None if no resource is wrong.
    """

    text: str
    policy: Policy
    fix: str | None = None
    corrected: str | None = None


def likely_mistakes(request: Request, policies: Sequence[Policy], context: RequestContext) -> list[LikelyMistake]:
    """Return the likely mistakes in policies of which none allows a request, those with a correction first."""
    relevant = [
        (policy, statement)
        for policy in policies
        for statement in policy.statements
        if statement.allows and statement.covers_action(request.action)
    ]
    if not relevant:
        return [LikelyMistake(f"no statement of it allows {request.action}", policy) for policy in policies]
    # If a statement has resources of the right kind, such as other topics, those of other kinds are no mistake.
    kind = KINDS[request.action]
    has_kind = any(_kind(each) == kind for _, statement in relevant for each in statement.resources)
    kinds = {kind, None} if has_kind else None
    found = [each for policy, statement in relevant for each in _mistakes(request, policy, statement, context, kinds)]
    return sorted(found, key=lambda each: each.corrected is None)


def _mistakes(
    request: Request, policy: Policy, statement: Statement, context: RequestContext, kinds: set[str | None] | None
) -> Iterator[LikelyMistake]:
    """Yield the mistakes of a statement, only in resources of these kinds unless None."""
    if statement.covers_resource(request.resource, context):
        if statement.is_met(context) is False:
            keys = ", ".join(each.key for each in statement.conditions)
            text = f"its condition on {keys} is not met: {statement.text}"
            yield LikelyMistake(text, policy, f"Allow it in {policy.name} without the condition on {keys}")
        return
    for resource in statement.resources:
        if kinds and _kind(resource) not in kinds:
            continue
        if found := _correction(request, resource, context):
            text, corrected = found
            fix = f"Replace in {policy.name}: {resource} by {corrected}" if corrected else _GIVE_CLIENT_ID
            yield LikelyMistake(text, policy, fix, corrected)
        elif (
            not statement.has_variables
            and variable_names(resource)
            and matches(resource, request.resource, context) is not False
        ):
            version = f'"Version":"{VERSION}"'
            text = f"{resource} has a variable, which is replaced only with {version}"
            yield LikelyMistake(text, policy, f"Set {version} in {policy.name}")


def _kind(resource: str) -> str | None:
    """Return the kind in a resource, whether or not the rest of the ARN is right."""
    return _kind_and_name(_rest(resource))[0]


def _rest(resource: str) -> str:
    return found[5] if (found := _ARN.fullmatch(resource)) else resource.rpartition(":")[2]


def _kind_and_name(rest: str) -> tuple[str | None, str]:
    kind, name = _KIND.fullmatch(rest).groups()  # type: ignore[union-attr]
    return kind, name


def _correction(request: Request, resource: str, context: RequestContext) -> tuple[str, str | None] | None:
    """Return the fewest mistakes whose correction makes a resource match, and the corrected resource."""
    mistakes = dict(_possible_mistakes(request, resource, context))
    malformed = not _ARN.fullmatch(resource)
    for count in range(1, len(mistakes) + 1):
        for chosen in itertools.combinations(mistakes, count):
            if malformed and "prefix" not in chosen:
                continue
            corrected = _corrected(request, resource, chosen)
            if matches(corrected, request.resource, context):
                return "; ".join(mistakes[each] for each in chosen), None if "client" in chosen else corrected
    return None


def _possible_mistakes(request: Request, resource: str, context: RequestContext) -> Iterator[tuple[str, str]]:
    kind = KINDS[request.action]
    rest = _rest(resource)
    given_kind, name = _kind_and_name(rest)
    found = _ARN.fullmatch(resource)
    if found is None:
        yield "prefix", f"{resource} is malformed, an ARN here has the form {request.prefix}:{kind}/..."
    elif wrong := _wrong_fields(found, request, context):
        yield "prefix", f"{resource} is of {wrong}"
    if given_kind is None:
        yield "kind", f"{resource} has no {kind}/, which AWS IoT checks for {request.action}"
    elif given_kind != kind:
        yield "kind", f"{resource} is a {given_kind}/, but AWS IoT checks {kind}/ for {request.action}"
    elif not rest.startswith(f"{kind}/"):
        yield "kind", f"{resource} has no slash after {kind}"
    if _MQTT_WILDCARD.search(name):
        yield "wildcard", f"in {resource} a + or # is literal, the wildcard of policies is *"
    if request.action == CONNECT and request.name == ANY_CLIENT_ID and variable_names(name):
        yield "client", f"{resource} allows only one client id: give Amplify PubSub that clientId"


def _wrong_fields(found: re.Match[str], request: Request, context: RequestContext) -> str:
    """Return the fields of an ARN that differ from the request's, for a sentence."""
    wrong = [
        f"{field} {given or '(none)'}, not {expected}"
        for field, given, expected in zip(_FIELDS, found.groups()[:4], request.prefix.split(":")[1:], strict=True)
        if matches(given, expected, context) is False
    ]
    return " and ".join(wrong)


def _corrected(request: Request, resource: str, mistakes: Sequence[str]) -> str:
    rest = _rest(resource)
    kind, name = _kind_and_name(rest)
    prefix = request.prefix if "prefix" in mistakes else resource.removesuffix(f":{rest}")
    if "wildcard" in mistakes:
        name = _MQTT_WILDCARD.sub("*", name)
    if "client" in mistakes:
        name = "*"
    if "kind" in mistakes:
        return f"{prefix}:{KINDS[request.action]}/{name}"
    return f"{prefix}:{kind}/{name}" if kind and rest.startswith(f"{kind}/") else f"{prefix}:{rest}"
