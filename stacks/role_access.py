"""What roles get that are there already: the guide's policies, and a deny in the place of a boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import CfnResource, CustomResource, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MANAGED_POLICIES

from .fingerprint import fingerprint
from .functions import PubSubFunction
from .resource_provider import CUSTOM_RESOURCE_TIMEOUT, resource_provider
from .settings import Settings
from .signed_in_roles import allow_data, control_plane_deny


class RoleAccess(Construct):
    """Gives roles that the deployment does not own what a signed-in user needs, and takes it away again.

    A boundary would bound what else the role is for, and may be somebody's already. So ``guarded`` mode denies AWS
    IoT's control plane explicitly. CloudFormation cannot attach a managed policy to a role of somebody else's stack: a
    custom resource does, and detaches only what it has attached itself. The deny is attached before the policies that
    it guards and detached after them, and it stays if one of them cannot be detached.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, roles: Sequence[iam.IRole]) -> None:
        """Give the roles what they need.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: the access mode.
            roles: the roles, whose trust is as it should be.
        """
        super().__init__(scope, construct_id)
        deny = None if settings.access_mode == "unguarded" else control_plane_deny(self)
        partition = Stack.of(self).partition
        names = () if settings.own_topics else MANAGED_POLICIES
        if settings.own_topics:
            allow_data(self, settings, roles)
        self._attach(
            settings,
            roles,
            {
                **({"Guard": deny.managed_policy_arn} if deny else {}),
                **{name: f"arn:{partition}:iam::aws:policy/{name}" for name in names},
            },
        )

    def _attach(self, settings: Settings, roles: Sequence[iam.IRole], policy_arns: Mapping[str, str]) -> None:
        """Attach policies to each role in their order, and detach them in the reverse order.

        Other roles or policies make another permission, whose predecessor CloudFormation deletes after the resources
        that need it. So a policy that another access mode no longer attaches can still be detached.
        """
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="role_policies.on_event",
            description="Attaches the managed policies of Amplify's guide to roles that are there already",
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        provider = resource_provider(self, settings, on_event=function)
        # What has become of the policies that a deny guards.
        stack_permission = iam.Policy(
            self,
            "StackPermission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["cloudformation:DescribeStackResource"], resources=[Stack.of(self).stack_id]
                )
            ],
        )
        role_arns, arns = [each.role_arn for each in roles], [*policy_arns.values()]
        # One for all roles: the inline policies of the function's role have room for some ten thousand characters.
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
            # Named by the role: another role has another of these, and the old one is rid of the policies afterwards.
            of_role = Construct(self, f"Of{fingerprint(self, role.role_arn)}")
            earlier: list[Construct] = [permission, stack_permission]
            policies: dict[str, CfnResource] = {}
            for name, policy_arn in policy_arns.items():
                policy = CustomResource(
                    of_role,
                    name,
                    resource_type="Custom::RolePolicy",
                    service_token=provider.service_token,
                    properties={"RoleName": role.role_name, "PolicyArn": policy_arn},
                )
                policy.node.add_dependency(*earlier)
                earlier.append(policy)
                policies[name] = cast("CfnResource", policy.node.default_child)
            if guard := policies.pop("Guard", None):
                guarded = [Stack.of(self).get_logical_id(each) for each in policies.values()]
                guard.add_property_override("Guarded", guarded)
