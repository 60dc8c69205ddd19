"""What people meant: a resource of a policy that would allow a request but for one mistake, and how it should read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pubsub_cli.iam.conditions import met
from pubsub_cli.iam.decision import covers_action, covers_resource
from pubsub_cli.iam.document import Policy, Statement
from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.pattern import matches, variables
from pubsub_cli.iam.request import ANY_CLIENT_ID, CONNECT, KINDS, Request

_ARN = re.compile(r"arn:([^:]*):([^:]*):([^:]*):([^:]*):([^:].*)", re.DOTALL)
_FIELDS = ("partition", "service", "region", "account")
_KIND = re.compile(rf"(?:({'|'.join(sorted(set(KINDS.values()), key=len, reverse=True))})[/:])?(.*)", re.DOTALL)
_MQTT_WILDCARD = re.compile(r"(?<![^/])[+#](?![^/])")


@dataclass(frozen=True)
class NearMiss:
    """A mistake in a policy.

    Args:
        text: what is wrong, as a part of a sentence.
        policy: the policy.
        statement: the statement; None where none is about the action.
        resource: the resource that is wrong; None where it is something else.
        corrected: how the resource should read; None where it is right and the front end should do otherwise.
    """

    text: str
    policy: Policy
    statement: Statement | None = None
    resource: str | None = None
    corrected: str | None = None


def near_misses(request: Request, policies: Sequence[Policy], facts: Facts) -> list[NearMiss]:
    """Return what in policies would allow a request that none allows, but for a mistake; the plainest first."""
    about = [
        (policy, statement)
        for policy in policies
        for statement in policy.statements
        if statement.allows and covers_action(statement, request.action)
    ]
    if not about:
        return [NearMiss(f"no statement of it allows {request.action}", policy) for policy in policies]
    # One of the kind that is asked for, of other topics say, makes those of other kinds no mistake.
    kind = KINDS[request.action]
    kinds = {kind, None} if any(_kind(each) == kind for _, statement in about for each in statement.resources) else None
    found = [miss for policy, statement in about for miss in _in_statement(request, policy, statement, facts, kinds)]
    return sorted(found, key=lambda each: each.corrected is None)


def _in_statement(
    request: Request, policy: Policy, statement: Statement, facts: Facts, kinds: set[str | None] | None
) -> Iterator[NearMiss]:
    """Yield the mistakes of a statement, in resources of some kinds if any are given."""
    if covers_resource(statement, request.resource, facts):
        if met(statement.conditions, facts, has_variables=statement.has_variables) is False:
            keys = ", ".join(_keys(statement))
            yield NearMiss(f"its condition on {keys} is not met: {statement.text}", policy, statement)
        return
    for resource in statement.resources:
        if kinds and _kind(resource) not in kinds:
            continue
        miss = _correction(request, resource, facts) or _older_version(request, resource, statement, facts)
        if miss:
            text, corrected = miss
            yield NearMiss(text, policy, statement, resource, corrected)


def _keys(statement: Statement) -> list[str]:
    return [key for keys in statement.conditions.values() for key in keys]


def _kind(resource: str) -> str | None:
    """Return the kind that a resource names, as right or wrong as its ARN is."""
    rest = found[5] if (found := _ARN.fullmatch(resource)) else resource.rpartition(":")[2]
    kind = _KIND.fullmatch(rest)
    return kind[1] if kind else None


def _correction(request: Request, resource: str, facts: Facts) -> tuple[str, str | None] | None:
    """Return the fewest mistakes whose correction lets a resource match, and how it then reads."""
    kind = KINDS[request.action]
    found = _ARN.fullmatch(resource)
    rest = found[5] if found else resource.rpartition(":")[2]
    given_kind, name = _KIND.fullmatch(rest).groups()  # type: ignore[union-attr]
    mistakes: list[tuple[str, str]] = []
    if found is None:
        mistakes.append(("prefix", f"{resource} is malformed, an ARN here reads {request.prefix}:{kind}/..."))
    elif wrong := _wrong_fields(found, request, facts):
        mistakes.append(("prefix", f"{resource} is of {wrong}"))
    if given_kind is None:
        mistakes.append(("kind", f"{resource} names no {kind}/, which AWS IoT asks {request.action} for"))
    elif given_kind != kind:
        mistakes.append(("kind", f"{resource} is a {given_kind}/, where AWS IoT asks {request.action} for {kind}/"))
    elif not rest.startswith(f"{kind}/"):
        mistakes.append(("kind", f"{resource} has no slash after {kind}"))
    if _MQTT_WILDCARD.search(name):
        mistakes.append(("wildcard", f"in {resource} a + or # stands for itself, a policy's wildcard is *"))
    if request.action == CONNECT and request.name == ANY_CLIENT_ID and variables(name):
        mistakes.append(("client", f"{resource} allows one client id alone: give Amplify PubSub that clientId"))
    for count in range(1, len(mistakes) + 1):
        for chosen in itertools.combinations(mistakes, count):
            if found is None and mistakes[0] not in chosen:
                continue
            corrected = _corrected(request, resource, found, rest, {each for each, _ in chosen})
            if matches(corrected, request.resource, facts):
                as_it_should = "client" not in {each for each, _ in chosen}
                return "; ".join(text for _, text in chosen), corrected if as_it_should else None
    return None


def _corrected(request: Request, resource: str, found: re.Match[str] | None, rest: str, mistakes: set[str]) -> str:
    kind, name = _KIND.fullmatch(rest).groups()  # type: ignore[union-attr]
    prefix = request.prefix if "prefix" in mistakes or not found else resource.removesuffix(f":{found[5]}")
    if "wildcard" in mistakes:
        name = _MQTT_WILDCARD.sub("*", name)
    if "client" in mistakes:
        name = "*"
    if "kind" in mistakes:
        return f"{prefix}:{KINDS[request.action]}/{name}"
    return f"{prefix}:{kind}/{name}" if kind and rest.startswith(f"{kind}/") else f"{prefix}:{rest}"


def _wrong_fields(found: re.Match[str], request: Request, facts: Facts) -> str:
    """Return the fields of an ARN that another thing stands in than the request's, as a sentence names them."""
    asked = request.prefix.split(":")[1:]
    wrong = [
        f"{field} {given or '(none)'}, not {wanted}"
        for field, given, wanted in zip(_FIELDS, found.groups()[:4], asked, strict=True)
        if matches(given, wanted, facts) is False
    ]
    return " and ".join(wrong)


def _older_version(
    request: Request, resource: str, statement: Statement, facts: Facts
) -> tuple[str, str | None] | None:
    """Return that variables are not replaced, if the resource would match if they were."""
    if statement.has_variables or not variables(resource) or matches(resource, request.resource, facts) is False:
        return None
    return f'{resource} has a variable, which is replaced only with "Version":"2012-10-17"', None
