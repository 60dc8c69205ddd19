"""The roles of signed-in users, AuthRole and the groups', and what keeps them to AWS IoT's data actions."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MANAGED_POLICIES
from pubsub_client.policy_document import identity_service

from .acknowledgements import acknowledge
from .iot_policy import data_access
from .settings import Settings

_DATA_ACTIONS = ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"]
_SHADOW_ACTIONS = [
    "iot:GetThingShadow",
    "iot:UpdateThingShadow",
    "iot:DeleteThingShadow",
    "iot:ListNamedShadowsForThing",
]
# What the data actions are authorized on, and nothing of another service is.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
_DATA_RESOURCES = ("client", "topic", "topicfilter")


class SignedInRoles(Construct):
    """Makes roles that signed-in users of one identity pool may have: the guide's policies, and what guards them.

    AWSIoTConfigAccess would let any signed-in user rewrite the IoT policy for everyone, make certificates and rules,
    and AWS adds actions to it. In ``guarded`` mode a permissions boundary leaves the data actions: it fails closed
    where a list of denied actions would not. Only where the account's own boundary takes its place, a deny must do. In
    ``least-privilege`` mode there are no such policies to guard: the roles allow what the IoT policy does.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, identity_pool_id: str) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._trust = _trust(Stack.of(self), identity_pool_id)
        self._boundary: iam.ManagedPolicy | None = None
        self._deny: iam.ManagedPolicy | None = None
        if settings.guards_by_deny:
            self._deny = control_plane_deny(self)
        elif settings.access_mode == "guarded":
            self._boundary = _boundary(self, settings)

    def add(self, construct_id: str, description: str) -> iam.Role:
        """Make a role."""
        names = () if self._settings.own_topics else MANAGED_POLICIES
        policies = [iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in names]
        role = iam.Role(
            self,
            construct_id,
            description=description,
            assumed_by=self._trust,
            managed_policies=[*policies, *([self._deny] if self._deny else [])],
            permissions_boundary=self._boundary,
        )
        if self._settings.own_topics:
            allow_data(Construct(self, f"{construct_id}Access"), self._settings, [role])
        limit = (
            "the setting accessMode chooses to follow it to the letter"
            if self._settings.access_mode == "unguarded"
            else "it grants the data actions alone, the rest is kept off"
        )
        acknowledge(
            role,
            {
                f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{name}]": (
                    f"Amplify's guide asks for this policy; {limit}."
                )
                for name in names
            },
        )
        return role


def allow_data(scope: Construct, settings: Settings, roles: Sequence[iam.IRole]) -> iam.Policy:
    """Let roles do what the IoT policy lets their users do, for access mode ``least-privilege``."""
    statements = data_access(scope, settings)["Statement"]
    policy = iam.Policy(
        scope, "Data", roles=[*roles], statements=[iam.PolicyStatement.from_json(each) for each in statements]
    )
    named = [arn.rpartition(":iot:")[2].split(":", 2)[2] for each in statements for arn in each["Resource"]]
    acknowledge(
        policy,
        {
            f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>:{_shown(name)}]": (
                "Whatever begins with the user's own identity id, or is one of the shared topics of the settings."
            )
            for name in named
        },
    )
    return policy


def _shown(name: str) -> str:
    """Return a resource's name as cdk-nag shows it."""
    return name.replace("${", "<").replace("}", ">")


def _trust(stack: Stack, identity_pool_id: str) -> iam.FederatedPrincipal:
    """Trust the identity pool's signed-in users."""
    service = identity_service(stack.region)
    return iam.FederatedPrincipal(
        service,
        {
            "StringEquals": {f"{service}:aud": identity_pool_id},
            "ForAnyValue:StringLike": {f"{service}:amr": "authenticated"},
        },
        "sts:AssumeRoleWithWebIdentity",
    )


def _boundary(scope: Construct, settings: Settings) -> iam.ManagedPolicy:
    """Allow at most the data actions of AWS IoT, and anything else that the role's policies say."""
    data = _DATA_ACTIONS + (_SHADOW_ACTIONS if settings.reserved_topics else [])
    statements = [
        iam.PolicyStatement(sid="AnythingButIot", not_actions=["iot:*"], resources=["*"]),
        iam.PolicyStatement(sid="IotData", actions=data, resources=["*"]),
    ]
    if not settings.reserved_topics:
        statements.append(_no_reserved_topics(scope))
    boundary = iam.ManagedPolicy(
        scope, "Boundary", description="Signed-in users: AWS IoT data actions only", statements=statements
    )
    acknowledge(
        boundary,
        {
            "CloudFormation-Validate::W2512": "What is not AWS IoT is left to the role's own policies.",
            # The rule itself fails on resources made of intrinsic functions, and is then named without a finding.
            "AwsSolutions-IAM5": (
                "A boundary grants nothing: it says which of the role's grants count, on whatever these name."
            ),
        },
    )
    return boundary


def control_plane_deny(scope: Construct) -> iam.ManagedPolicy:
    """Deny every action of AWS IoT except the data actions, actions that AWS has yet to add included.

    No list of actions can do that. One statement denies all of AWS IoT on everything but clients, topics and topic
    filters; the other denies everything but the data actions on these three. Only AWS IoT has such resources, so the
    ``NotAction`` reaches no other service.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notresource.html
    """
    data_resources = [_arn(scope, kind, "*", region="*", account="*") for kind in _DATA_RESOURCES]
    statements = [
        iam.PolicyStatement(
            sid="NoControlPlane", effect=iam.Effect.DENY, actions=["iot:*"], not_resources=data_resources
        ),
        iam.PolicyStatement(
            sid="NothingButData", effect=iam.Effect.DENY, not_actions=_DATA_ACTIONS, resources=data_resources
        ),
        _no_reserved_topics(scope),
    ]
    return iam.ManagedPolicy(
        scope,
        "ControlPlaneDeny",
        description="Signed-in users: no control plane of AWS IoT",  # another one would make another policy
        statements=statements,
    )


def _no_reserved_topics(scope: Construct) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="NoReservedTopics",
        effect=iam.Effect.DENY,
        actions=["iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"],
        resources=[_arn(scope, kind, "$aws/*") for kind in ("topic", "topicfilter")],
    )


def _arn(scope: Construct, kind: str, name: str, *, region: str | None = None, account: str | None = None) -> str:
    """Return the ARN of something in AWS IoT, of the stack's region and account unless given."""
    return Stack.of(scope).format_arn(
        service="iot",
        region=region,
        account=account,
        resource=kind,
        resource_name=name,
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
