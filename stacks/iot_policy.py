"""The IoT policy that each signed-in user's identity gets, and the custom resources that see it in and out."""

from __future__ import annotations

from typing import Any

from aws_cdk import CustomResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from pubsub_client.policy_document import identity_service, policy_document

from .functions import PubSubFunction
from .leaving import Leaving
from .resource_provider import CUSTOM_RESOURCE_TIMEOUT, waiting_resource_provider
from .settings import Settings


class IotPolicy(Construct):
    """The policy named in the settings, open to the topics of the settings: every topic, as Amplify's guide has it.

    Which of these a user reaches is decided by the role and its boundary too: AWS IoT allows what both allow.

    Everything that names the policy has the name in its logical id. So a policy of another name is made beside the old
    one, which goes when all else is updated. What serves both is the stack's and stays.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, *, leaving: Leaving) -> None:
        """Make the policy.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: the policy's name and topics.
            leaving: takes it off everybody before it goes.
        """
        super().__init__(scope, construct_id)
        self.policy_name = settings.policy_name
        on_event, is_complete = self._functions(settings, leaving)
        provider = waiting_resource_provider(self, settings, on_event=on_event, is_complete=is_complete)
        self._provider_token = provider.service_token
        roles: list[iam.IRole] = [on_event.execution_role, is_complete.execution_role]
        document = data_access(self, settings)
        named = Construct(self, f"Policy-{settings.policy_name}")
        versions = CustomResource(
            named,
            "Versions",
            resource_type="Custom::IotPolicyVersions",
            service_token=provider.service_token,
            properties={"PolicyName": settings.policy_name, "Document": Stack.of(self).to_json_string(document)},
        )
        versions.node.add_dependency(_permission(named, settings.policy_name, roles))
        policy = iot.CfnPolicy(named, "Policy", policy_name=settings.policy_name, policy_document=document)
        policy.node.add_dependency(versions)
        lifecycle = CustomResource(
            named,
            "Lifecycle",
            resource_type="Custom::IotPolicyLifecycle",
            service_token=provider.service_token,
            properties={"PolicyName": settings.policy_name},
        )
        lifecycle.node.add_dependency(policy, leaving, leaving.allow(self, roles))
        self.epoch: str = lifecycle.get_att_string("Epoch")
        """Random, and new whenever the policy is made anew. What refers to it is destroyed before the detaching starts,
        so that nothing attaches the policy again meanwhile."""

    def leave_with(self, scope: Construct, identity_pool_id: str) -> CustomResource:
        """Have the policy leave the identities of a pool before that pool goes and another takes its place."""
        resource = CustomResource(
            scope,
            "Attachments",
            resource_type="Custom::IotPolicyOfIdentityPool",
            service_token=self._provider_token,
            properties={"IdentityPoolId": identity_pool_id},
        )
        resource.node.add_dependency(self)
        return resource

    def _functions(self, settings: Settings, leaving: Leaving) -> tuple[PubSubFunction, PubSubFunction]:
        """Return what begins and what waits for the end, for both custom resources."""
        environment = {
            "FITTING_RENAME": str(leaving.fitting_rename),
            "DETACH_ALL_STATE_MACHINE_ARN": leaving.machine.arn,
            "POLICY_NAME": settings.policy_name,
        }
        on_event = PubSubFunction(
            self,
            "OnEvent",
            settings=settings,
            handler="iot_policy_lifecycle.on_event",
            description="Gives the IoT policy its epoch and room for its next version, and has it leave everybody",
            environment=environment,
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        is_complete = PubSubFunction(
            self,
            "IsComplete",
            settings=settings,
            handler="iot_policy_lifecycle.is_complete",
            description="Deletes the IoT policy once it has left everybody",
            environment=environment,
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        # Whether the whole stack is being deleted.
        iam.Policy(
            self,
            "StackPermission",
            roles=[on_event.execution_role],
            statements=[
                iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[Stack.of(self).stack_id])
            ],
        )
        return on_event, is_complete


def _permission(named: Construct, policy_name: str, roles: list[iam.IRole]) -> iam.Policy:
    """Return what the functions may do with the policy of this name."""
    policy_arn = Stack.of(named).format_arn(service="iot", resource="policy", resource_name=policy_name)
    return iam.Policy(
        named,
        "Permission",
        roles=roles,
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
    """Return the document of what the settings let signed-in users do, with this stack's partition, region and account.

    It is the IoT policy's, and in access mode ``least-privilege`` that of the roles too.
    """
    stack = Stack.of(scope)
    own = identity_service(stack.region) if settings.own_topics else None
    return policy_document(f"arn:{stack.partition}:iot:{stack.region}:{stack.account}", settings.topics, own=own)
