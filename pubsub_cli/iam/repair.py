"""Documents put right: what a policy denies by mistake, it allows then."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pubsub_cli.iam.decision import Decision, Outcome, decide
from pubsub_cli.iam.document import Policy, listed, statements_of
from pubsub_cli.iam.facts import Facts
from pubsub_cli.iam.near_miss import near_misses
from pubsub_cli.iam.request import ANY_CLIENT_ID, CONNECT, Request


def put_right(policy: Policy, requests: Sequence[Request], facts: Facts) -> dict[str, Any] | None:
    """Return a policy's document with the least changed that lets it allow requests by itself.

    A mistaken resource gets the one that was meant beside it; a statement that denies goes; what nothing was meant to
    allow gets a statement.

    Returns:
        The document; None if no change of it helps: a condition is in the way, or the front end should do otherwise.
    """
    document: dict[str, Any] = copy.deepcopy(dict(policy.document))
    document["Statement"] = statements_of(document)
    for request in requests:
        while not (decision := _decision(document, request, facts)).allowed:
            before = copy.deepcopy(document["Statement"])
            _change(document, decision, request, facts)
            if document["Statement"] == before:
                return None
    return document


def without_denials(policy: Policy, requests: Sequence[Request], facts: Facts) -> dict[str, Any]:
    """Return a policy's document without the statements that deny requests."""
    document: dict[str, Any] = {**policy.document, "Statement": list(statements_of(policy.document))}
    for request in requests:
        while (decision := _decision(document, request, facts)).outcome is Outcome.EXPLICIT_DENY and decision.statement:
            document["Statement"].remove(decision.statement.source)
    return document


def _decision(document: dict[str, Any], request: Request, facts: Facts) -> Decision:
    return decide(request, [Policy.read("", "", document)], facts)


def _change(document: dict[str, Any], decision: Decision, request: Request, facts: Facts) -> None:
    """Take one thing out of the way."""
    statements = document["Statement"]
    if decision.outcome is Outcome.EXPLICIT_DENY and decision.statement:
        statements.remove(decision.statement.source)
        return
    if decision.outcome is Outcome.UNDECIDED:
        return
    misses = near_misses(request, [Policy.read("", "", document)], facts)
    miss = next(iter(misses), None)
    if miss and miss.statement and miss.corrected:
        place = next(each for each in statements if each == miss.statement.source)
        place["Resource"] = [*listed(place["Resource"]), miss.corrected]
    elif miss is None or miss.statement is None:
        any_client = request.action == CONNECT and request.name == ANY_CLIENT_ID
        resource = f"{request.prefix}:client/*" if any_client else request.resource
        statements.append({"Effect": "Allow", "Action": request.action, "Resource": resource})
