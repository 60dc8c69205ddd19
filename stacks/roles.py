"""The roles of signed-in users, created or adopted, and the guard that limits them to AWS IoT's data actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import ArnFormat, CfnResource, CustomResource, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MANAGED_POLICIES
from pubsub_client.policy_document import (
    ACTIONS_WITHOUT_MANAGED_POLICY,
    DATA_ACTIONS,
    SHADOW_ACTIONS,
    identity_service,
)

from .functions import CUSTOM_RESOURCE_TIMEOUT, SERVICE_TIMEOUT, PubSubFunction, fingerprint, suppress_nag
from .iot_policy import data_access
from .settings import Settings

# No other service has resources of these types.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
_DATA_RESOURCES = tuple(dict.fromkeys(DATA_ACTIONS.values()))


class SignedInRoles(Construct):
    """Creates roles for signed-in users of an identity pool, according to the access mode.

    AWSIoTConfigAccess lets any signed-in user rewrite the IoT policy for all users, and create certificates and rules.
    AWS also adds actions to it. So in ``guarded`` mode a permissions boundary leaves only the data actions. A boundary
    also blocks future actions, and a list of denied actions does not. If the account requires its own boundary, a deny
    is the guard. In ``least-privilege`` mode the roles allow what the IoT policy allows, without managed policies.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, identity_pool_id: str) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._trust = _trust(Stack.of(self), identity_pool_id)
        self._boundary: iam.ManagedPolicy | None = None
        self._deny: iam.ManagedPolicy | None = None
        if settings.guards_by_deny:
            self._deny = control_plane_deny(self)
        elif settings.needs_guard:
            self._boundary = _boundary(self, settings)

    def add(self, construct_id: str, description: str) -> iam.Role:
        """Create a role."""
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
        allow = allow_data if self._settings.own_topics else allow_retained_messages
        allow(Construct(self, f"{construct_id}Access"), self._settings, [role])
        limit = (
            "accessMode unguarded means no other limit"
            if self._settings.access_mode == "unguarded"
            else "the boundary or the deny leaves only the data actions"
        )
        suppress_nag(
            role,
            {
                f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{name}]": (
                    f"Amplify's guide requires this policy; {limit}."
                )
                for name in names
            },
        )
        return role


class RoleAccess(Construct):
    """Gives existing roles the permissions of signed-in users, and removes them when the stack is deleted.

    A boundary would also limit the role's other permissions, and the role may already have one. So the guard is an
    explicit deny of AWS IoT's control plane. CloudFormation cannot attach a managed policy to a role of another stack,
    so a custom resource does. It detaches only policies that it attached. The deny is attached before the policies that
    it guards, and detached after them. It stays if one of them cannot be detached.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, roles: Sequence[iam.IRole]) -> None:
        super().__init__(scope, construct_id)
        deny = None if settings.access_mode == "unguarded" else control_plane_deny(self)
        partition = Stack.of(self).partition
        names = () if settings.own_topics else MANAGED_POLICIES
        allow = allow_data if settings.own_topics else allow_retained_messages
        allow(self, settings, roles)
        self._attach(
            settings,
            roles,
            {
                **({"Guard": deny.managed_policy_arn} if deny else {}),
                **{name: f"arn:{partition}:iam::aws:policy/{name}" for name in names},
            },
        )

    def _attach(self, settings: Settings, roles: Sequence[iam.IRole], policy_arns: Mapping[str, str]) -> None:
        """Attach policies to each role in this order, and detach them in the reverse order.

        The permission is named after its roles and policies. When they change, CloudFormation deletes the old
        permission after the resources that need it. So a policy can still be detached after a change of access mode.
        """
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="role_policies.handler",
            description="Attaches the managed policies of Amplify's guide to existing roles",
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        records = f"/{Stack.of(self).stack_name}/role-policies"
        records_arn = Stack.of(self).format_arn(service="ssm", resource="parameter", resource_name=f"{records[1:]}/*")
        # To read the state of the policies that the deny guards, and to record attached policies.
        stack_permission = iam.Policy(
            self,
            "StackPermission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["cloudformation:DescribeStackResource"], resources=[Stack.of(self).stack_id]
                ),
                iam.PolicyStatement(
                    actions=["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"], resources=[records_arn]
                ),
            ],
        )
        suppress_nag(
            stack_permission,
            {
                f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter{records}"
                "/*]": "One parameter for each policy of each role, under a name of this stack."
            },
        )
        role_arns, arns = [each.role_arn for each in roles], [*policy_arns.values()]
        # One policy for all roles, because the inline policies of a role have at most 10,240 characters in total.
        permission = iam.Policy(
            self,
            f"Permission{fingerprint(self, ','.join([*role_arns, *arns]))}",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
                    resources=role_arns,
                    conditions={"ArnEquals": {"iam:PolicyARN": arns}},
                ),
                iam.PolicyStatement(actions=["iam:ListAttachedRolePolicies"], resources=role_arns),
            ],
        )
        for role in roles:
            # Named after the role, so that a replaced role loses the policies.
            of_role = Construct(self, f"Of{fingerprint(self, role.role_arn)}")
            earlier: list[Construct] = [permission, stack_permission]
            policies: dict[str, CfnResource] = {}
            for name, policy_arn in policy_arns.items():
                policy = CustomResource(
                    of_role,
                    name,
                    resource_type="Custom::RolePolicy",
                    service_token=function.function_arn,
                    service_timeout=SERVICE_TIMEOUT,
                    properties={
                        "RoleName": role.role_name,
                        "PolicyArn": policy_arn,
                        "RecordParameter": f"{records}/{fingerprint(self, role.role_arn)}/{name}",
                    },
                )
                policy.node.add_dependency(*earlier)
                earlier.append(policy)
                policies[name] = cast("CfnResource", policy.node.default_child)
            if guard := policies.pop("Guard", None):
                guarded = [Stack.of(self).get_logical_id(each) for each in policies.values()]
                guard.add_property_override("Guarded", guarded)


def allow_data(scope: Construct, settings: Settings, roles: Sequence[iam.IRole]) -> iam.Policy:
    """Let roles do what the IoT policy lets their users do, for access mode ``least-privilege``."""
    statements = data_access(scope, settings)["Statement"]
    policy = iam.Policy(
        scope, "Data", roles=[*roles], statements=[iam.PolicyStatement.from_json(each) for each in statements]
    )
    named = [arn.rpartition(":iot:")[2].split(":", 2)[2] for each in statements for arn in each["Resource"]]
    suppress_nag(
        policy,
        {
            f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>:{_shown(name)}]": (
                "Names that begin with the user's identity id, and shared topics of the settings."
            )
            for name in named
        },
    )
    return policy


def allow_retained_messages(scope: Construct, _: Settings, roles: Sequence[iam.IRole]) -> iam.Policy:
    """Let roles with the managed policies publish retained messages, which AWSIoTDataAccess does not allow.

    The IoT policy decides on which topics.
    """
    policy = iam.Policy(
        scope,
        "RetainedMessages",
        roles=[*roles],
        statements=[
            iam.PolicyStatement(
                actions=[*ACTIONS_WITHOUT_MANAGED_POLICY],
                resources=[_arn(scope, DATA_ACTIONS[each], "*") for each in ACTIONS_WITHOUT_MANAGED_POLICY],
            )
        ],
    )
    suppress_nag(
        policy,
        {
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>:topic/*]": (
                "The IoT policy limits the topics, and AWS IoT allows only what both allow."
            )
        },
    )
    return policy


def _shown(name: str) -> str:
    """Return a resource's name as cdk-nag prints it."""
    return name.replace("${", "<").replace("}", ">")


def _trust(stack: Stack, identity_pool_id: str) -> iam.FederatedPrincipal:
    """Return the principal for signed-in users of the identity pool."""
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
    """Allow at most the data actions of AWS IoT, and everything of other services."""
    data = [*DATA_ACTIONS, *(SHADOW_ACTIONS if settings.reserved_topics else ())]
    statements = [
        iam.PolicyStatement(sid="AnythingButIot", not_actions=["iot:*"], resources=["*"]),
        iam.PolicyStatement(sid="IotData", actions=data, resources=["*"]),
    ]
    if not settings.reserved_topics:
        statements.append(_no_reserved_topics(scope))
    boundary = iam.ManagedPolicy(
        scope, "Boundary", description="Signed-in users: AWS IoT data actions only", statements=statements
    )
    suppress_nag(
        boundary,
        {
            "CloudFormation-Validate::W2512": "The role's own policies limit other services.",
            # The rule fails on resources with intrinsic functions, so its id contains no resource.
            "AwsSolutions-IAM5": "A boundary grants nothing. It limits what the role's policies grant.",
        },
    )
    return boundary


def control_plane_deny(scope: Construct) -> iam.ManagedPolicy:
    """Deny every action of AWS IoT except the data actions, including actions that AWS adds later.

    A list of actions could not do this. The first statement denies all of AWS IoT on all resources except clients,
    topics and topic filters. The second denies all actions except the data actions on these three. Only AWS IoT has
    such resources, so the ``NotAction`` affects no other service.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notresource.html
    """
    data_resources = [_arn(scope, kind, "*", region="*", account="*") for kind in _DATA_RESOURCES]
    statements = [
        iam.PolicyStatement(
            sid="NoControlPlane", effect=iam.Effect.DENY, actions=["iot:*"], not_resources=data_resources
        ),
        iam.PolicyStatement(
            sid="NothingButData", effect=iam.Effect.DENY, not_actions=[*DATA_ACTIONS], resources=data_resources
        ),
        _no_reserved_topics(scope),
    ]
    return iam.ManagedPolicy(
        scope,
        "ControlPlaneDeny",
        description="Signed-in users: no control plane of AWS IoT",  # a changed description replaces the policy
        statements=statements,
    )


def _no_reserved_topics(scope: Construct) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="NoReservedTopics",
        effect=iam.Effect.DENY,
        actions=[action for action, kind in DATA_ACTIONS.items() if kind != "client"],
        resources=[_arn(scope, kind, "$aws/*") for kind in ("topic", "topicfilter")],
    )


def _arn(scope: Construct, kind: str, name: str, *, region: str | None = None, account: str | None = None) -> str:
    """Return the ARN of an AWS IoT resource, by default in the stack's region and account."""
    return Stack.of(scope).format_arn(
        service="iot",
        region=region,
        account=account,
        resource=kind,
        resource_name=name,
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
