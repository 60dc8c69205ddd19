"""Random IoT policies and users: the suggested changes let one user pass and give the other users nothing more."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pubsub_cli.iam.documents import Policy
from pubsub_cli.iam.evaluation import Outcome, decide
from pubsub_cli.iam.explanation import identity_ids, suggest_changes
from pubsub_cli.iam.request import ANY_CLIENT_ID, Request, RequestContext, front_end_requests, signed_in_context
from tests.unit.pubsub_cli.iam.changed_policies import is_needed, with_changes

PREFIX, SERVICE = "arn:aws:iot:us-east-1:123456789012", "cognito-identity.amazonaws.com"
ADA, BOB = (f"us-east-1:{digit * 8}-1111-2222-3333-444455556666" for digit in "ab")
CASES = settings(max_examples=200, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])

variables = st.sampled_from(
    [
        f"${{{SERVICE}:sub}}",
        f"${{{SERVICE}:custom:firm}}",
        "${iot:ClientId}",
        "${iot:Connection.Thing.ThingName}",
        "${aws:SourceIp}",
        "${AWS::Region}",
    ]
)
prefixes = st.sampled_from(
    [PREFIX, PREFIX, PREFIX, "arn:aws:iot:*:*", "arn:aws:iot:eu-west-1:123456789012", "arn:aws:iot:iot", "aws:iot::"]
)
kinds = st.sampled_from(["client/", "topic/", "topicfilter/", "topic:", "topics/", ""])
names = st.lists(st.sampled_from(["rooms", "a", "*", "?", "+", "#", '"a"']) | variables, min_size=1, max_size=3)
resources = st.just("*") | st.tuples(prefixes, kinds, names).map(lambda each: f"{each[0]}:{each[1]}{'/'.join(each[2])}")
actions = st.sampled_from(["iot:*", "iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe", "iot:Re*", "mqtt:*"])
conditions = st.sampled_from(
    [
        {},
        {},
        {},
        {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
        {"StringLike": {f"{SERVICE}:sub": ADA}},
    ]
)


def one_of_two(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    listed = st.lists(values, min_size=1, max_size=2)
    return st.fixed_dictionaries({name: listed}) | st.fixed_dictionaries({f"Not{name}": listed})


statements = st.builds(
    lambda effect, action, resource, condition: {"Effect": effect, "Condition": condition, **action, **resource},
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
    one_of_two("Action", actions),
    one_of_two("Resource", resources),
    conditions,
)
documents = st.builds(
    lambda version, found: {"Version": version, "Statement": found},
    st.sampled_from(["2012-10-17", "2012-10-17", "2008-10-17"]),
    st.lists(statements, max_size=3),
)
topics = st.sampled_from(
    ["rooms/a", "rooms/+", "rooms/#", "a?b", "a/*", "${a}", f"{ADA}/tracker", f"{ADA}/+", f"{BOB}/tracker", "x/${b}/*"]
)
clients = st.sampled_from([ADA, f"{ADA}-tab", "lamp", ANY_CLIENT_ID, BOB])


def context_of(identity_id: str, client_id: str) -> RequestContext:
    return signed_in_context("us-east-1", None, identity_id=identity_id, client_id=client_id, things=[])


def everything(identity_id: str, client_id: str) -> list[Request]:
    """Return requests for more than the first user asked for."""
    names = ["rooms/a", "rooms/b", "rooms/a/b", "a?b", "axb", "a/*", "a/b", "${a}", "x/${b}/*", "x/1/y", "other"]
    names += [f"{ADA}/tracker", f"{ADA}/x", f"{BOB}/tracker", f"{BOB}/x", f"{identity_id}/tracker"]
    return [*front_end_requests(PREFIX, client_id, names), *front_end_requests(PREFIX, client_id, ["rooms/+", "#"])]


@CASES
@given(document=documents, client_id=clients, asked=st.lists(topics, min_size=1, max_size=3, unique=True))
def test_suggested_changes_help_only_the_user(document: dict[str, Any], client_id: str, asked: list[str]) -> None:
    policy, ada = Policy.read("the policy", "policy", document), context_of(ADA, client_id)
    requests = front_end_requests(PREFIX, client_id, asked)
    denied = [
        each
        for each in requests
        if decide(each, [policy], ada).outcome in {Outcome.IMPLICIT_DENY, Outcome.EXPLICIT_DENY}
    ]
    changes = suggest_changes(denied, policy, ada, ADA, SERVICE)
    assert bool(changes) is bool(denied)
    event(f"{'with' if any(str(each).startswith('Add') for each in changes) else 'without'} a statement to add")
    changed = Policy.read("the policy", "policy", with_changes(document, changes))
    added = [each for each in changed.document["Statement"] if each not in document["Statement"]]
    assert identity_ids(json.dumps(added)) == []
    for request in denied:
        alone = [str(each) for each in suggest_changes([request], policy, ada, ADA, SERVICE)]
        if alone[0].startswith("Add to "):
            assert decide(request, [changed], ada).outcome is not Outcome.IMPLICIT_DENY, request
    if document["Version"] != changed.document["Version"]:
        return  # The variables that the author wrote begin to work for every user.
    for bobs_client in (BOB, "lamp", ADA):
        bob = context_of(BOB, bobs_client)
        for each in everything(BOB, bobs_client):
            before, after = decide(each, [policy], bob), decide(each, [changed], bob)
            assert not before.allowed or after.allowed, each
            if after.allowed and not before.allowed:
                assert is_needed(each, denied, ADA, BOB), (each, added)
