"""Policies made at random: we decide as the local cloud, which has an evaluator of its own, decisions."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_cloud.process import LocalCloud
from pubsub_cli.iam.evaluation import Outcome, decide
from pubsub_cli.iam.iot import attached_to, read_iot_policy, read_version, simulate_identity
from pubsub_cli.iam.request import front_end_requests, signed_in_context
from pubsub_cli.iam.roles import read_role, simulate_role

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_iot import IoTClient

POOL_ID = "us-east-1:11111111-2222-3333-4444-555555555555"
SUB, CLIENT = "${cognito-identity.amazonaws.com:sub}", "${iot:ClientId}"
ANY_EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

prefixes = st.sampled_from(
    ["arn:aws:iot:us-east-1:000000000000", "arn:aws:iot:*:*", "arn:aws:iot:eu-west-1:*", "arn:*"]
)
actions = st.sampled_from(
    ["iot:*", "iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe", "iot:?ub*", "IOT:CONNECT"]
)
names = st.lists(st.sampled_from(["a", "b", "*", "?", "+", "#"]), min_size=1, max_size=3).map("/".join)


def resources(with_variables: bool) -> st.SearchStrategy[str]:
    kinds = st.sampled_from(["client", "topic", "topicfilter"])
    last = st.one_of(names, st.sampled_from([SUB, f"{CLIENT}/*"])) if with_variables else names
    whole = st.tuples(prefixes, kinds, last).map(lambda each: f"{each[0]}:{each[1]}/{each[2]}")
    return st.one_of(st.just("*"), whole)


def statements(with_variables: bool) -> st.SearchStrategy[dict[str, Any]]:
    condition = st.dictionaries(
        st.sampled_from(["StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists"]),
        st.sampled_from([POOL_ID, "us-east-1:*", "other"]).map(
            lambda each: {"cognito-identity.amazonaws.com:aud": each}
        ),
        max_size=1,
    )
    about = st.one_of(
        st.fixed_dictionaries({"Action": st.lists(actions, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"NotAction": st.lists(actions, min_size=1, max_size=2)}),
    )
    on = st.one_of(
        st.fixed_dictionaries({"Resource": st.lists(resources(with_variables), min_size=1, max_size=2)}),
        st.fixed_dictionaries({"NotResource": st.lists(resources(with_variables), min_size=1, max_size=2)}),
    )
    return st.builds(
        lambda effect, about, on, condition: {
            "Effect": effect,
            **about,
            **on,
            **({"Condition": condition} if condition else {}),
        },
        st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
        about,
        on,
        condition,
    )


def documents(*, with_variables: bool) -> st.SearchStrategy[str]:
    return st.lists(statements(with_variables), min_size=1, max_size=3).map(
        lambda each: json.dumps({"Version": "2012-10-17", "Statement": each})
    )


topics = st.lists(names.filter(lambda each: "*" not in each and "?" not in each), min_size=1, max_size=2, unique=True)


@pytest.fixture
def iot(cloud: LocalCloud) -> IoTClient:
    client: IoTClient = cloud.client("iot")
    return client


@pytest.fixture
def iam(cloud: LocalCloud) -> IAMClient:
    client: IAMClient = cloud.client("iam")
    return client


@pytest.fixture
def pool_id(cloud: LocalCloud, iam: IAMClient) -> str:
    """An identity pool whose role for authenticated users allows everything of AWS IoT."""
    pools, role = cloud.client("cognito-identity"), f"role-{uuid.uuid4().hex}"
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    iam.put_role_policy(RoleName=role, PolicyName="everything", PolicyDocument=json.dumps(everything))
    made = pools.create_identity_pool(IdentityPoolName="pool", AllowUnauthenticatedIdentities=False)["IdentityPoolId"]
    pools.set_identity_pool_roles(
        IdentityPoolId=made, Roles={"authenticated": f"arn:aws:iam::{cloud.account_id}:role/{role}"}
    )
    return str(made)


def prefix(cloud: LocalCloud) -> str:
    return f"arn:aws:iot:{cloud.region}:{cloud.account_id}"


@ANY_EXAMPLES
@given(
    made=st.lists(documents(with_variables=True), min_size=1, max_size=2),
    client_id=st.sampled_from(["a", "a/b", "*"]),
    topics=topics,
)
def test_iot_policies_are_decided_as_test_authorization_does(
    cloud: LocalCloud, iot: IoTClient, pool_id: str, made: list[str], client_id: str, topics: list[str]
) -> None:
    made = [each.replace(POOL_ID, pool_id) for each in made]
    identity_id = f"{cloud.region}:{uuid.uuid4()}"
    for document in made:
        name = f"policy-{uuid.uuid4().hex}"
        iot.create_policy(policyName=name, policyDocument=document)
        iot.attach_policy(policyName=name, target=identity_id)
    policies = [read_iot_policy(iot, each).policy for each in attached_to(iot, identity_id)]
    context = signed_in_context(cloud.region, pool_id, identity_id=identity_id, client_id=client_id)
    requests = front_end_requests(prefix(cloud), client_id, topics)
    decisions = simulate_identity(iot, identity_id, pool_id, client_id, requests, with_policy=None)
    decided = {each: decide(each, policies, context).outcome for each in requests}
    assert {each: decided[each] for each in decisions} == {each: answer.outcome for each, answer in decisions.items()}
    # What turns on the identity pool has no answer where it is denied.
    assert Outcome.ALLOWED not in {decided[each] for each in requests if each not in decisions}


@ANY_EXAMPLES
@given(
    inline=documents(with_variables=False),
    managed=documents(with_variables=False),
    boundary=st.none() | documents(with_variables=False),
    topics=topics,
)
def test_roles_are_decided_as_the_simulator_does(
    cloud: LocalCloud, iam: IAMClient, inline: str, managed: str, boundary: str | None, topics: list[str]
) -> None:
    name = f"role-{uuid.uuid4().hex}"
    bound: Any = {"PermissionsBoundary": make_policy(iam, boundary)} if boundary else {}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument='{"Statement":[]}', **bound)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=inline)
    iam.attach_role_policy(RoleName=name, PolicyArn=make_policy(iam, managed))
    role = read_role(iam, arn)
    context = signed_in_context(cloud.region, POOL_ID, client_id="a", role_arn=arn)
    requests = front_end_requests(prefix(cloud), "a", topics)
    decisions = simulate_role(iam, arn, requests, context)
    assert {each: decide(each, role.policies, context, role.boundary).outcome for each in requests} == {
        each: answer.outcome for each, answer in decisions.items()
    }


def make_policy(iam: IAMClient, document: str) -> str:
    return iam.create_policy(PolicyName=f"policy-{uuid.uuid4().hex}", PolicyDocument=document)["Policy"]["Arn"]


def test_a_role_is_read_with_its_policies_in_effect_and_its_boundary(iam: IAMClient) -> None:
    name = f"role-{uuid.uuid4().hex}"
    allow = json.dumps({"Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
    nothing = json.dumps({"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
    managed, boundary = make_policy(iam, allow), make_policy(iam, allow)
    iam.create_policy_version(PolicyArn=managed, PolicyDocument=nothing, SetAsDefault=True)
    trust = {"Version": "2012-10-17", "Statement": []}
    created = iam.create_role(
        RoleName=name, Path="/signed-in/", AssumeRolePolicyDocument=json.dumps(trust), PermissionsBoundary=boundary
    )
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=allow)
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    role = read_role(iam, created["Role"]["Arn"])
    assert [each.name for each in role.policies] == [
        "the inline policy inline",
        f"the policy {managed.rpartition('/')[2]}",
    ]
    assert [each.document for each in role.policies] == [json.loads(allow), json.loads(nothing)]
    assert [each.key for each in role.policies] == ["inline", managed]
    assert role.boundary
    assert role.boundary.document == json.loads(allow)


def test_an_iot_policy_is_read_in_the_version_in_effect_and_its_others_by_id(iot: IoTClient) -> None:
    name = f"policy-{uuid.uuid4().hex}"
    bodies = [
        json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": each, "Resource": "*"}]})
        for each in ("iot:Connect", "iot:Publish", "iot:Receive")
    ]
    iot.create_policy(policyName=name, policyDocument=bodies[0])
    for body in bodies[1:]:
        iot.create_policy_version(policyName=name, policyDocument=body)
    iot.set_default_policy_version(policyName=name, policyVersionId="2")
    policy = read_iot_policy(iot, name)
    assert policy.others == ("3", "1")
    assert policy.policy.document == json.loads(bodies[1])
    assert read_version(iot, name, "1").document == json.loads(bodies[0])
