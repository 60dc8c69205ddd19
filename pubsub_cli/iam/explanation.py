"""Explains a denied request: the reason, the likely mistakes in the policies, and the statements that are missing."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pubsub_cli.finding import AwsCommand
from pubsub_cli.iam.documents import VERSION, Condition, Policy, Statement, matches, variable_names
from pubsub_cli.iam.evaluation import EvaluatedRequest, Outcome, decide
from pubsub_cli.iam.request import (
    ANY_CLIENT_ID,
    CONNECT,
    IS_ATTACHED,
    SOME_LEVEL,
    THING_NAME,
    THING_VARIABLES,
    Request,
    RequestContext,
    of_certificate,
)
from pubsub_client.policy_document import DATA_ACTIONS

_ORGANIZATION = "a policy of the AWS organization (for example, a service control policy) does not allow it"
_GIVE_CLIENT_ID = (
    "Give Amplify PubSub the client id that the policy allows, for example the identity id of fetchAuthSession(): "
    "new PubSub({ region, endpoint, clientId }). Check it with --client-id"
)

_ARN = re.compile(r"(arn:[^:]*:[^:]*:[^:]*:[^:]*):([^:].*)", re.DOTALL)
_FIELDS = ("partition", "service", "region", "account")
_KIND = re.compile(
    rf"(?:({'|'.join(sorted(set(DATA_ACTIONS.values()), key=len, reverse=True))})([/:]))?(.*)", re.DOTALL
)
# Plurals, other cases and word separators, such as topics/, Topic/ and topic-filter/.
_MISSPELLED_KIND = re.compile(r"(topic[-_ ]?filter|topic|client(?:[-_ ]?id)?)s?(?=[/:])", re.IGNORECASE)
_MQTT_WILDCARD = re.compile(r"(?<![^/])[+#](?![^/])")
# In a malformed ARN: everything before client, topic or topicfilter, or before the last colon or the account id.
_AFTER_ACCOUNT = re.compile(r".*?[:/](?=(?:client|topic|topicfilter)[/:])|.*:(?:\d{12}/)?", re.DOTALL)
_QUOTED = re.compile(r"[\"'`<>]|^\s|\s$")
_IDENTITY_ID = re.compile(r"[a-z]{2,}(?:-[a-z0-9]+)+:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SPECIAL = re.compile(r"[*?]|\$(?=\{)")
_VARIABLES = (
    "AWS IoT has iot:ClientId, iot:DomainName, aws:SourceIp, cognito-identity.amazonaws.com:sub, "
    f"iot:Certificate* and {THING_VARIABLES}*"
)


def reason_for_denial(evaluated: EvaluatedRequest, policies: Sequence[Policy], context: RequestContext) -> str:
    """Return why a request is not allowed, as the end of a sentence."""
    if evaluated.disagreement:
        return _reason_of_aws(evaluated)
    decision = evaluated.decision
    match decision.outcome:
        case Outcome.EXPLICIT_DENY if decision.policy and decision.statement:
            return f"{decision.policy.name} denies it: {decision.statement.text}"
        case Outcome.UNKNOWN if decision.policy and decision.statement:
            reason = f"it depends on {', '.join(decision.unknown)} in {decision.policy.name}: {decision.statement.text}"
            return (
                f"{evaluated.aws.operation} reports {evaluated.aws.outcome}; {reason}"
                if evaluated.denied and evaluated.aws
                else reason
            )
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
    """Return the statements that allow the same requests to every user, without an identity id.

    Args:
        requests: the requests of one user, without those of :func:`other_identities`.
        identity_id: the user's identity id, which the statements replace by its variable; None if it is not known.
        service: the name of Amazon Cognito identity pools in the region's policies.
    """
    actions: dict[str, list[str]] = {}
    for request in requests:
        name = _SPECIAL.sub(r"${\g<0>}", request.name)
        name = name.replace(ANY_CLIENT_ID, "*").replace(SOME_LEVEL, "*")
        variable = f"${{{service}:sub}}"
        name = name.replace(identity_id, variable) if identity_id else _IDENTITY_ID.sub(variable, name)
        resource = f"{request.prefix}:{DATA_ACTIONS[request.action]}/{name}"
        actions.setdefault(resource, []).append(request.action)
    resources: dict[tuple[str, ...], list[str]] = {}
    for resource, names in actions.items():
        resources.setdefault(tuple(dict.fromkeys(names)), []).append(resource)
    return [{"Effect": "Allow", "Action": [*names], "Resource": of_actions} for names, of_actions in resources.items()]


def missing_text(requests: Iterable[Request], identity_id: str | None, service: str) -> str:
    """Return the statements of :func:`missing_statements` as JSON on one line."""
    statements = missing_statements(requests, identity_id, service)
    return ",".join(json.dumps(each, separators=(",", ":")) for each in statements)


def other_identities(request: Request, identity_id: str | None) -> list[str]:
    """Return the identity ids of other users in a request, which no policy for all users can contain."""
    return [each for each in identity_ids(request.name) if identity_id not in {None, each}]


def identity_ids(text: str) -> list[str]:
    """Return the identity ids in a text."""
    return _IDENTITY_ID.findall(text)


def valueless_variables(resource: str, context: RequestContext) -> list[str]:
    """Return the variables in a resource that AWS IoT does not have, or that have no value for an identity."""
    names = ((each, each.partition(",")[0].strip()) for each in variable_names(resource))
    return [each for each, name in names if not context.has_variable(name) or of_certificate(name)]


def never_matches(resource: str, variables: Iterable[str], *, of_iot: bool = True) -> str:
    """Return the mistake of a resource with variables that never have a value for an identity.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html

    Args:
        resource: the resource.
        variables: the variables.
        of_iot: whether the resource is in an IoT policy; otherwise it is in a policy of a role.
    """
    missing = [each for each in variables if not of_certificate(each)]
    names = " and ".join(f"${{{each}}}" for each in missing or variables)
    reason = (
        f"AWS IoT policies have no variable {names} ({_VARIABLES})"
        if of_iot
        else f"an identity has no {names} (it has cognito-identity.amazonaws.com:sub, :aud and :amr)"
    )
    return (
        f"{resource} never matches, because {reason}"
        if missing
        else f"{resource} never matches for a Cognito identity, which has no certificate for {names}"
    )


def needs_version(resource: str) -> str:
    """Return the mistake of a resource with a variable in a document of the old version."""
    return f'the variable in {resource} is replaced only in a document with "Version":"{VERSION}"'


def literal_characters(resource: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the kinds of literal characters, ``wildcard``, ``quotes`` or ``dollar``, and the mistakes.

    Args:
        resource: the resource.
        name: the name of the client, topic or topic filter in it.
    """
    if _MQTT_WILDCARD.search(name):
        yield "wildcard", f"+ and # are literal in {resource}; the wildcard of policies is *"
    if _QUOTED.search(name):
        yield "quotes", f"quotation marks, angle brackets and outer spaces are literal in {resource}"
    if "$${" in name:  # a template's escaped variable
        yield "dollar", f"the first $ is literal in {resource}"


def avoid_denial(policy: Policy, statement: Statement) -> str:
    """Return what to do about a statement that denies a request. Only its owner may remove it."""
    return (
        f"Use topics and client ids that {policy.name} does not deny, or ask the owner of the policy about "
        f"{statement.text}"
    )


def suggest_changes(
    requests: Iterable[Request], policy: Policy, context: RequestContext, identity_id: str | None, service: str
) -> list[str | AwsCommand]:
    """Return what lets one user's denied requests pass, without a command that changes the policy.

    Many users have the same policy. So the instructions add statements for exactly the denied requests, with a variable
    instead of the identity id. They remove neither denials nor conditions.

    Args:
        requests: requests that the policy denies.
        policy: the policy.
        context: the values of condition keys and variables.
        identity_id: the user's identity id; None if it is not known.
        service: the name of Amazon Cognito identity pools in the region's policies.
    """
    changes: dict[str, str | AwsCommand] = {}
    missing = []
    for request in requests:
        decision = decide(request, [policy], context)
        mistake = next(iter(likely_mistakes(request, [policy], context)), None)
        if others := other_identities(request, identity_id):
            change: str | AwsCommand = f"Use the user's own identity id instead of {', '.join(others)}, another user's"
        elif decision.outcome is Outcome.EXPLICIT_DENY and decision.statement:
            change = avoid_denial(policy, decision.statement)
        elif mistake and mistake.fix:
            change = mistake.fix
        else:
            missing.append(request)
            continue
        changes[str(change)] = change
    if missing:
        text = missing_text(missing, identity_id, service)
        changes[text] = f"Add to {policy.name}: {text}"
        if "${" in text and policy.document.get("Version") != VERSION:
            changes[VERSION] = f'Set "Version":"{VERSION}" in {policy.name}, otherwise it has no variables'
    return list(changes.values())


@dataclass(frozen=True)
class LikelyMistake:
    """A mistake without which a policy would allow a request.

    Args:
        text: the mistake, as a part of a sentence.
        policy: the policy.
        fix: what the front end or its operator must do; None if a statement is missing.
        corrected: the corrected resource, as its author probably meant it; None if no resource is wrong.
    """

    text: str
    policy: Policy
    fix: str | AwsCommand | None = None
    corrected: str | None = None


def likely_mistakes(request: Request, policies: Sequence[Policy], context: RequestContext) -> list[LikelyMistake]:
    """Return the likely mistakes in policies that do not allow a request, those with a corrected resource first."""
    relevant = [
        (policy, statement)
        for policy in policies
        for statement in policy.statements
        if statement.allows and statement.covers_action(request.action)
    ]
    if not relevant:
        return [LikelyMistake(f"no statement allows {request.action}", policy) for policy in policies]
    # If a resource has the right kind, such as another topic, the resources of other kinds are no mistake.
    kind = DATA_ACTIONS[request.action]
    has_kind = any(_Resource.parse(each).kind == kind for _, statement in relevant for each in statement.resources)
    kinds = {kind, None} if has_kind else {*DATA_ACTIONS.values(), None}
    found = [each for policy, statement in relevant for each in _mistakes(request, policy, statement, context, kinds)]
    return sorted(found, key=lambda each: each.corrected is None)


def _mistakes(
    request: Request, policy: Policy, statement: Statement, context: RequestContext, kinds: set[str | None]
) -> Iterator[LikelyMistake]:
    """Yield the likely mistakes of a statement in its conditions, and in its resources of these kinds."""
    if statement.covers_resource(request.resource, context):
        if unmet := statement.unmet_conditions(context):
            text = f"{'; '.join(_why_unmet(each, context) for each in unmet)}: {statement.text}"
            yield LikelyMistake(text, policy, _meet(unmet, context))
        return
    for resource in statement.resources:
        if statement.has_variables and (missing := _deciding_variables(request, resource, context)):
            names = " and ".join(f"${{{each}}}" for each in missing)
            yield LikelyMistake(
                never_matches(resource, missing, of_iot=context.of_iot),
                policy,
                f"Replace {names} in {policy.name}. For a user's own topics, use the variable of the identity id. For "
                "topics of a group, attach a policy of that group to the identities of its users",
            )
            continue
        if statement.has_variables and _is_of_a_thing(request, resource, context):
            text = f"{resource} needs a thing of the identity whose name is the client id, and there is none"
            yield LikelyMistake(text, policy, _attach_thing(context))
            continue
        if statement.has_variables and (other := _other_thing_name(request, resource, context)):
            yield LikelyMistake(other[0], policy, other[1])
            continue
        if _Resource.parse(resource).kind not in kinds:
            continue
        if found := _correction(request, resource, context):
            text, corrected, allows = found
            if allows is not False:
                text = f"{text}; {corrected} {'would' if allows else 'might'} allow it"
                yield LikelyMistake(text, policy, None, corrected)
                continue
            replace = f"Replace {resource} by {corrected} in {policy.name}. " if corrected else ""
            # Users who share one literal client id would disconnect each other.
            several = variable_names(resource) or "*" in resource
            yield LikelyMistake(text, policy, replace + _GIVE_CLIENT_ID if several else None)
        elif (
            not statement.has_variables
            and variable_names(resource)
            and matches(resource, request.resource, context) is not False
        ):
            yield LikelyMistake(needs_version(resource), policy, f'Set "Version":"{VERSION}" in {policy.name}')


def _why_unmet(condition: Condition, context: RequestContext) -> str:
    """Return why a condition is not met, as a part of a sentence."""
    values = " or ".join(context.values_of(condition.key) or ("absent",))
    required = " or ".join(condition.expected)
    return f"its condition on {condition.key} is not met ({condition.operator} {required}; the value is {values})"


def _meet(unmet: Sequence[Condition], context: RequestContext) -> str | AwsCommand:
    """Return how the front end can meet conditions. The fix never removes one, because all users have the policy."""
    no_thing = context.values_of(IS_ATTACHED) == ("false",)
    if no_thing and all(each.key.lower().startswith(THING_VARIABLES.lower()) for each in unmet):
        return _attach_thing(context)
    keys = ", ".join(each.key for each in unmet)
    return f"Meet the condition on {keys}, or ask the owner of the policy whether it must apply to every user"


def _attach_thing(context: RequestContext) -> str | AwsCommand:
    """Return the command that attaches the thing with the client id to the identity.

    https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
    """
    (client_id,) = context.values_of("iot:ClientId") or ("",)
    principal = next((values[0] for key, values in context.values.items() if key.endswith(":sub")), None)
    if principal is None or client_id.endswith(ANY_CLIENT_ID):
        return "Give Amplify PubSub the name of the user's thing as clientId, and check it with --client-id"
    return AwsCommand("iot", "AttachThingPrincipal", {"thingName": client_id, "principal": principal})


def _deciding_variables(request: Request, resource: str, context: RequestContext) -> list[str]:
    """Return the variables that never have a value, if the resource would match with one."""
    missing = valueless_variables(resource, context)
    return missing if missing and _matches_with_any(resource, missing, request, context) else []


def _is_of_a_thing(request: Request, resource: str, context: RequestContext) -> bool:
    """Return whether a resource would match if the identity had a thing."""
    names = [each for each in variable_names(resource) if each.lower().startswith(THING_VARIABLES.lower())]
    if not names or any(context.values_of(each) != () for each in names):
        return False
    (client_id,) = context.values_of("iot:ClientId") or ("",)
    if client_id and not client_id.endswith(ANY_CLIENT_ID):  # the name that the thing would have
        resource = resource.replace(f"${{{THING_NAME}}}", _SPECIAL.sub(r"${\g<0>}", client_id))
    return _matches_with_any(resource, names, request, context)


def _other_thing_name(request: Request, resource: str, context: RequestContext) -> tuple[str, str] | None:
    """Return the mistake and the fix, if a resource would match if a thing had another name than the client id.

    https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    """
    names = [each for each in variable_names(resource) if each.lower() == THING_NAME.lower()]
    client_id = context.values_of("iot:ClientId")
    if not names or not client_id or matches(resource, request.resource, context) is not False:
        return None
    if not _matches_with_any(resource, names, request, context):
        return None
    text = f"{resource} does not match, because {THING_NAME} is the client id, {client_id[0]}"
    if request.action == CONNECT:
        return text, f"Replace {resource} by {request.prefix}:client/${{{THING_NAME}}}, or ask the owner of the policy"
    return text, "Use the name of the thing as client id, and in the topics where the policy has the variable"


def _matches_with_any(resource: str, variables: Iterable[str], request: Request, context: RequestContext) -> bool:
    """Return whether a resource can match with some value of each of these variables."""
    for each in variables:
        resource = resource.replace(f"${{{each}}}", "*")
    return matches(resource, request.resource, context) is not False


@dataclass(frozen=True)
class _Resource:
    """The parts of a resource in a policy, which need not be well-formed.

    Args:
        prefix: ``arn:<partition>:<service>:<region>:<account id>``; None if it is malformed.
        kind: ``client``, ``topic`` or ``topicfilter``; None if it is absent.
        separator: the character after the kind.
        name: the rest.
        misspelled: the kind as written, if that is not how AWS IoT spells it.
    """

    prefix: str | None
    kind: str | None
    separator: str | None
    name: str
    misspelled: str | None = None

    @classmethod
    def parse(cls, resource: str) -> Self:
        arn = _ARN.fullmatch(resource)
        rest = arn[2] if arn else _AFTER_ACCOUNT.sub("", resource.strip(" \"'`"), count=1)
        prefix = arn[1] if arn else None
        kind, separator, name = _KIND.fullmatch(rest).groups()  # type: ignore[union-attr]
        if kind is None and (found := _MISSPELLED_KIND.match(rest)):
            kind = _spelled(found[1])
            separator, name = rest[found.end()], rest[found.end() + 1 :]
            return cls(prefix, kind, separator, name, found[0])
        return cls(prefix, kind, separator, name)


def _spelled(kind: str) -> str:
    """Return the kind as AWS IoT spells it."""
    word = re.sub(r"[-_ ]", "", kind.lower())
    return "client" if word.startswith("client") else word


class _Correction(NamedTuple):
    """The correction of a resource.

    Args:
        text: the mistakes.
        corrected: the corrected resource; None if the resource is right, and only the client id is wrong.
        allows: whether that allows the request without another client id; None if it depends on an unknown variable.
    """

    text: str
    corrected: str | None
    allows: bool | None


def _correction(request: Request, resource: str, context: RequestContext) -> _Correction | None:
    """Return the fewest mistakes of a resource whose correction allows the request."""
    parts = _Resource.parse(resource)
    found = _correct(request, resource, parts, context)
    if found is None and parts.misspelled:  # then it may be the start of a topic without a kind
        name = f"{parts.misspelled}{parts.separator}{parts.name}"
        found = _correct(request, resource, _Resource(parts.prefix, None, None, name), context)
    return found


def _correct(request: Request, resource: str, parts: _Resource, context: RequestContext) -> _Correction | None:
    mistakes = dict(_possible_mistakes(request, resource, parts, context))
    for count in range(1, len(mistakes) + 1):
        for chosen in itertools.combinations(mistakes, count):
            if parts.prefix is None and "prefix" not in chosen:
                continue
            corrected = _corrected(request, parts, chosen)
            if (allows := matches(corrected, request.resource, context)) is False:
                continue
            if "client" in chosen and parts.kind == DATA_ACTIONS[CONNECT]:  # the front end has the wrong client id
                others = [each for each in chosen if each != "client"]
                corrected = _corrected(request, parts, others)
                text = "; ".join(mistakes[each] for each in chosen)
                return _Correction(text, corrected if others else None, allows=False)
            text = "; ".join(mistakes[each] for each in chosen if each != "client")
            return _Correction(text, corrected, allows)
    return None


def _possible_mistakes(
    request: Request, resource: str, parts: _Resource, context: RequestContext
) -> Iterator[tuple[str, str]]:
    """Yield the part of the resource that is wrong, and what is wrong with it."""
    kind = DATA_ACTIONS[request.action]
    if parts.prefix is None:
        yield "prefix", f"{resource} is malformed; an ARN here has the form {request.prefix}:{kind}/..."
    elif wrong := _wrong_fields(parts.prefix, request.prefix, context):
        yield "prefix", f"{resource} has {wrong}"
    if parts.kind is None:
        yield "kind", f"{resource} has no {kind}/, which AWS IoT checks for {request.action}"
    elif parts.misspelled:
        yield "kind", f"{resource} has {parts.misspelled}, but AWS IoT checks {kind}/ for {request.action}"
    elif parts.kind != kind:
        yield "kind", f"{resource} is a {parts.kind}/, but AWS IoT checks {kind}/ for {request.action}"
    elif parts.separator != "/":
        yield "kind", f"{resource} has no slash after {kind}"
    yield from literal_characters(resource, parts.name)
    if request.action == CONNECT and request.name == ANY_CLIENT_ID and parts.name:
        yield "client", f"{resource} does not allow the random client id of Amplify PubSub"


def _wrong_fields(given: str, expected: str, context: RequestContext) -> str:
    """Return the fields in the prefix of an ARN that are not as expected, for a sentence."""
    fields = zip(_FIELDS, given.split(":")[1:], expected.split(":")[1:], strict=True)
    return " and ".join(
        f"{field} {pattern or '(none)'}, not {value}"
        for field, pattern, value in fields
        if matches(pattern, value, context) is False
    )


def _corrected(request: Request, parts: _Resource, mistakes: Sequence[str]) -> str:
    prefix = request.prefix if "prefix" in mistakes else parts.prefix
    name = parts.name
    if "wildcard" in mistakes:
        name = _MQTT_WILDCARD.sub("*", name)
    if "quotes" in mistakes:
        name = re.sub(r"[\"'`<>]", "", name).strip()
    if "dollar" in mistakes:
        name = name.replace("$${", "${")
    if "client" in mistakes:
        name = "*"
    if "kind" in mistakes:
        return f"{prefix}:{DATA_ACTIONS[request.action]}/{name}"
    if parts.separator == "/":
        return f"{prefix}:{parts.misspelled or parts.kind}/{name}"
    # Without a well-formed kind the name is not the part that must be corrected.
    return f"{prefix}:{parts.misspelled or parts.kind or ''}{parts.separator or ''}{parts.name}"
