"""The IoT policy of signed-in users, the AWS IoT endpoint, the deletion guard, and the function behind all three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from pubsub_client.policy_document import identity_service, policy_document

from .detach_all import AttachmentPause, DetachAll
from .functions import PubSubFunction, suppress_nag
from .settings import Settings


class IotPolicy(Construct):
    """The IoT policy, open to the topics of the settings.

    AWS IoT allows only what both this policy and the user's role allow.

    The policy's name is part of the logical id of every resource that contains the name. A renamed policy is therefore
    created beside the old one, and CloudFormation deletes the old one after all updates.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        pause: AttachmentPause,
        detach_all: DetachAll,
    ) -> None:
        super().__init__(scope, construct_id)
        self.policy_name = settings.policy_name
        self.pause = pause
        self.detach_all = detach_all
        self._function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="iot_resources.handler",
            description="Custom resources of AWS IoT: endpoint, policy versions, detachment",
            environment={
                "DETACH_ALL_STATE_MACHINE_ARN": detach_all.machine.arn,
                "MAX_RENAMED_IDENTITIES": str(detach_all.max_renamed_identities),
                "POLICY_NAME": settings.policy_name,
                "STACK_NAME": Stack.of(self).stack_name,
            },
            timeout=Duration.minutes(15),
        )
        role = self._function.execution_role
        permission = self._permission(role)
        allow_detach_all = detach_all.allow_executions(self, role)
        endpoint = self.custom_resource(self, "Endpoint", "Custom::IotEndpoint")
        endpoint.node.add_dependency(permission)
        self.endpoint_address: str = endpoint.get_att_string("Address")
        """The host name of the account's AWS IoT endpoint in this region."""

        document = data_access(self, settings)
        named = Construct(self, f"Policy-{settings.policy_name}")
        versions = self.custom_resource(
            named,
            "Versions",
            "Custom::IotPolicyVersions",
            {"PolicyName": settings.policy_name, "Document": Stack.of(self).to_json_string(document)},
        )
        versions.node.add_dependency(_policy_permission(named, settings.policy_name, role))
        policy = iot.CfnPolicy(named, "Policy", policy_name=settings.policy_name, policy_document=document)
        policy.node.add_dependency(versions)
        lifecycle = self.custom_resource(
            named, "Lifecycle", "Custom::IotPolicyLifecycle", {"PolicyName": settings.policy_name}
        )
        lifecycle.node.add_dependency(policy, detach_all, permission, allow_detach_all)
        self.generation: str = lifecycle.get_att_string("Generation")
        """A random value, new for each created policy. Resources that refer to it are deleted before the detachment
        starts, so that they cannot attach the policy again."""

    def custom_resource(
        self, scope: Construct, construct_id: str, resource_type: str, properties: Mapping[str, Any] | None = None
    ) -> CustomResource:
        """Create a custom resource that lambdas/iot_resources.py handles."""
        return CustomResource(
            scope,
            construct_id,
            resource_type=resource_type,
            service_token=self._function.function_arn,
            properties=dict(properties or {}),
        )

    def detach_before_replacing(self, scope: Construct, identity_pool_id: str) -> CustomResource:
        """Detach the policy from the identities of a pool before another pool replaces it."""
        resource = self.custom_resource(
            scope, "Attachments", "Custom::IotPolicyOfIdentityPool", {"IdentityPoolId": identity_pool_id}
        )
        resource.node.add_dependency(self)
        return resource

    def _permission(self, role: iam.Role) -> iam.Policy:
        permission = iam.Policy(
            self,
            "Permission",
            roles=[role],
            statements=[
                # To find out whether the whole stack is being deleted.
                iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[Stack.of(self).stack_id]),
                iam.PolicyStatement(actions=["iot:DescribeEndpoint"], resources=["*"]),
                # It invokes itself to wait longer than one invocation can take: lambdas/custom_resource.py.
                iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self._function.function_arn]),
            ],
        )
        suppress_nag(permission, {"AwsSolutions-IAM5[Resource::*]": "iot:DescribeEndpoint supports no resource."})
        return permission


class DeletionGuard(Construct):
    """Stops `cdk destroy` before anything is deleted, if the policy cannot be detached from all targets in time.

    It depends on ``others`` and on everything that its scope contains so far. CloudFormation deletes it first, and
    keeps the rest if that fails:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-dependson.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        others: Sequence[Construct] = (),
    ) -> None:
        guarded = [*others, *scope.node.children]
        super().__init__(scope, construct_id)
        guard = policy.custom_resource(
            self,
            "Guard",
            "Custom::DeletionGuard",
            {
                "MaxIdentities": str(policy.detach_all.max_identities),
                "DetachPerSecond": str(settings.detach_per_second),
            },
        )
        guard.node.add_dependency(*guarded)


def _policy_permission(named: Construct, policy_name: str, role: iam.IRole) -> iam.Policy:
    """Allow the function to delete the policy with this name."""
    policy_arn = Stack.of(named).format_arn(service="iot", resource="policy", resource_name=policy_name)
    return iam.Policy(
        named,
        "Permission",
        roles=[role],
        statements=[
            iam.PolicyStatement(
                actions=[
                    "iot:DeletePolicy",
                    "iot:DeletePolicyVersion",
                    "iot:ListPolicyVersions",
                    "iot:ListTargetsForPolicy",
                ],
                resources=[policy_arn],
            )
        ],
    )


def data_access(scope: Construct, settings: Settings) -> dict[str, Any]:
    """Return the policy document that lets signed-in users connect and use the topics of the settings.

    It is the IoT policy. In access mode ``least-privilege`` it is also a policy of the roles.
    """
    stack = Stack.of(scope)
    own = identity_service(stack.region) if settings.own_topics else None
    return policy_document(f"arn:{stack.partition}:iot:{stack.region}:{stack.account}", settings.topics, own=own)
