"""Random policies: `decide()` agrees with the local cloud, which has its own evaluator, and suggested changes work."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_cloud.process import LocalCloud
from pubsub_cli.iam.evaluation import Outcome, decide
from pubsub_cli.iam.explanation import suggest_changes
from pubsub_cli.iam.iot import attached_to, read_iot_policy, read_version, simulate_identity
from pubsub_cli.iam.request import ANY_CLIENT_ID, RETAIN, Request, front_end_requests, signed_in_context
from pubsub_cli.iam.roles import read_role, simulate_role
from tests.integration.local_cloud.account import ALLOW_IOT, allow, document, make_role, unique
from tests.unit.pubsub_cli.iam.changed_policies import is_needed, with_changes

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_iot import IoTClient

COGNITO = "cognito-identity.amazonaws.com"
POOL_ID = "us-east-1:11111111-2222-3333-4444-555555555555"
SUB, CLIENT = f"${{{COGNITO}:sub}}", "${iot:ClientId}"
RANDOM_POLICIES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

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
    operators = st.sampled_from(["StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists"])
    expected = st.sampled_from([POOL_ID, "us-east-1:*", "other"]).map(lambda each: {f"{COGNITO}:aud": each})
    effect = st.sampled_from(["Allow", "Allow", "Allow", "Deny"])
    action = st.lists(actions, min_size=1, max_size=2)
    resource = st.lists(resources(with_variables), min_size=1, max_size=2)
    return st.builds(
        lambda effect, action, resource, condition: {"Effect": effect, "Condition": condition, **action, **resource},
        effect,
        st.fixed_dictionaries({"Action": action}) | st.fixed_dictionaries({"NotAction": action}),
        st.fixed_dictionaries({"Resource": resource}) | st.fixed_dictionaries({"NotResource": resource}),
        st.dictionaries(operators, expected, max_size=1),
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
def pool_id(cloud: LocalCloud) -> str:
    """An identity pool whose role allows all actions of AWS IoT."""
    pools, role = cloud.client("cognito-identity"), make_role(cloud, ALLOW_IOT, trusts={"Federated": COGNITO})
    pool = pools.create_identity_pool(IdentityPoolName=unique("pool"), AllowUnauthenticatedIdentities=False)
    pools.set_identity_pool_roles(IdentityPoolId=pool["IdentityPoolId"], Roles={"authenticated": role})
    return str(pool["IdentityPoolId"])


def prefix(cloud: LocalCloud) -> str:
    return f"arn:aws:iot:{cloud.region}:{cloud.account_id}"


@RANDOM_POLICIES
@given(
    policy_documents=st.lists(documents(with_variables=True), min_size=1, max_size=2),
    client_id=st.sampled_from(["a", "a/b", "*"]),
    topics=topics,
)
def test_decision_on_iot_policies_is_that_of_test_authorization(
    cloud: LocalCloud, iot: IoTClient, pool_id: str, policy_documents: list[str], client_id: str, topics: list[str]
) -> None:
    identity_id = f"{cloud.region}:{uuid.uuid4()}"
    for each in policy_documents:
        name = unique("policy")
        iot.create_policy(policyName=name, policyDocument=each.replace(POOL_ID, pool_id))
        iot.attach_policy(policyName=name, target=identity_id)
    policies = [read_iot_policy(iot, each).policy for each in attached_to(iot, identity_id)]
    context = signed_in_context(cloud.region, pool_id, identity_id=identity_id, client_id=client_id)
    requests = front_end_requests(prefix(cloud), client_id, topics)
    decisions = simulate_identity(iot, identity_id, pool_id, client_id, requests, with_policy=None)
    decided = {each: decide(each, policies, context).outcome for each in requests}
    assert {each: decided[each] for each in decisions} == {each: answer.outcome for each, answer in decisions.items()}
    # AWS IoT gives no decision on retained messages, and if a denial may depend on the identity pool.
    left = {decided[each] for each in requests if each not in decisions and each.action != RETAIN}
    assert Outcome.ALLOWED not in left


@RANDOM_POLICIES
@given(
    policy_document=documents(with_variables=True),
    client_id=st.sampled_from(["ada", "other", ANY_CLIENT_ID]),
    topics=st.lists(st.sampled_from(["a", "a/b", "a/+", "b/#", "ada/a", "ada/#"]), min_size=1, max_size=2, unique=True),
)
def test_suggested_changes_help_only_the_user(
    cloud: LocalCloud, iot: IoTClient, pool_id: str, policy_document: str, client_id: str, topics: list[str]
) -> None:
    """On the local cloud, a denied user passes with the changes, and another user gains only the same requests."""
    ada, bob = (f"{cloud.region}:{uuid.uuid4()}" for _ in "ab")
    name = unique("policy")
    iot.create_policy(policyName=name, policyDocument=policy_document.replace(POOL_ID, pool_id))
    for identity_id in (ada, bob):
        iot.attach_policy(policyName=name, target=identity_id)
    requests = front_end_requests(prefix(cloud), *_of(ada, client_id, topics))
    of_bob = [
        *front_end_requests(prefix(cloud), *_of(bob, client_id, ["a", "a/b", "a/c", "b/a", "ada/a", "ada/c", "c"])),
        *front_end_requests(prefix(cloud), *_of(ada, "ada", ["a/+", "b/#", "ada/a", "ada/c", "ada/#"])),
    ]

    def allowed(identity_id: str, asked: list[Request]) -> set[Request]:
        client = asked[0].name
        answers = simulate_identity(iot, identity_id, pool_id, client, asked, with_policy=None)
        return {each for each, answer in answers.items() if answer.outcome is Outcome.ALLOWED}

    before = allowed(ada, requests), allowed(bob, of_bob)
    policy = read_iot_policy(iot, name).policy
    context = signed_in_context(cloud.region, pool_id, identity_id=ada, client_id=requests[0].name)
    denied = [each for each in requests if each not in before[0] and not decide(each, [policy], context).allowed]
    suggested = {each: suggest_changes([each], policy, context, ada, COGNITO) for each in denied}
    changes = suggest_changes(denied, policy, context, ada, COGNITO)
    changed = json.dumps(with_changes(json.loads(policy_document.replace(POOL_ID, pool_id)), changes))
    assert ada not in changed
    iot.create_policy_version(policyName=name, policyDocument=changed, setAsDefault=True)
    added = {each for each, alone in suggested.items() if str(alone[0]).startswith("Add to ") and each.action != RETAIN}
    assert before[0] | added <= allowed(ada, requests)
    for gained in allowed(bob, of_bob) - before[1]:
        assert is_needed(gained, denied, ada, bob), gained


def _of(identity_id: str, client_id: str, topics: list[str]) -> tuple[str, list[str]]:
    """Return a client id and topics with this identity id in place of ``ada``."""
    return client_id.replace("ada", identity_id), [each.replace("ada", identity_id) for each in topics]


@RANDOM_POLICIES
@given(
    inline=documents(with_variables=False),
    managed=documents(with_variables=False),
    boundary=st.none() | documents(with_variables=False),
    topics=topics,
)
def test_decision_on_a_role_is_that_of_the_simulator(
    cloud: LocalCloud, iam: IAMClient, inline: str, managed: str, boundary: str | None, topics: list[str]
) -> None:
    name = unique("role")
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


def make_policy(iam: IAMClient, text: str) -> str:
    return iam.create_policy(PolicyName=unique("policy"), PolicyDocument=text)["Policy"]["Arn"]


def test_role_is_read_with_its_policies_in_effect_and_its_boundary(iam: IAMClient) -> None:
    name = unique("role")
    allow, deny = document(ALLOW_IOT), document({"Effect": "Deny", "Action": "*", "Resource": "*"})
    managed, boundary = make_policy(iam, allow), make_policy(iam, allow)
    iam.create_policy_version(PolicyArn=managed, PolicyDocument=deny, SetAsDefault=True)
    created = iam.create_role(
        RoleName=name, Path="/signed-in/", AssumeRolePolicyDocument=document(), PermissionsBoundary=boundary
    )
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=allow)
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    role = read_role(iam, created["Role"]["Arn"])
    assert [each.name for each in role.policies] == [
        "the inline policy inline",
        f"the policy {managed.rpartition('/')[2]}",
    ]
    assert [each.document for each in role.policies] == [json.loads(allow), json.loads(deny)]
    assert [each.key for each in role.policies] == ["inline", managed]
    assert role.boundary
    assert role.boundary.document == json.loads(allow)


def test_iot_policy_is_read_in_the_version_in_effect(iot: IoTClient) -> None:
    name = unique("policy")
    first, second, third = (document(allow(each)) for each in ("iot:Connect", "iot:Publish", "iot:Receive"))
    iot.create_policy(policyName=name, policyDocument=first)
    iot.create_policy_version(policyName=name, policyDocument=second, setAsDefault=True)
    iot.create_policy_version(policyName=name, policyDocument=third)
    policy = read_iot_policy(iot, name)
    assert policy.others == ("3", "1")
    assert policy.policy.document == json.loads(second)
    assert read_version(iot, name, "1").document == json.loads(first)
