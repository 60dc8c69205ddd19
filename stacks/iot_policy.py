"""The IoT policy that each signed-in user's identity gets, and the custom resource that sees it in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from pubsub_client.outputs import FULL_TOPIC_ACCESS
from stacks.acknowledgements import acknowledge
from stacks.functions import PubSubFunction
from stacks.resource_provider import waiting_resource_provider

if TYPE_CHECKING:
    from stacks.settings import Settings

# AWS IoT's quota for AttachPolicy, DetachPolicy and ListAttachedPolicies is 15 calls a second:
# https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_DETACH_PER_SECOND = 15


class IotPolicy(Construct):
    """The policy named in the settings, open to every topic as Amplify's guide has it.

    Which of these topics a user reaches is decided by the role and its boundary too: AWS IoT allows what both allow.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.policy_name = settings.policy_name
        policy = iot.CfnPolicy(
            self,
            "Policy",
            policy_name=settings.policy_name,
            policy_document=_full_topic_access(Stack.of(self)),
        )
        lifecycle = self._lifecycle(settings)
        lifecycle.node.add_dependency(policy)
        self.epoch: str = lifecycle.get_att_string("Epoch")
        """Random, and new whenever the policy is made anew. What refers to it is destroyed before the detaching starts,
        so that nothing attaches the policy again meanwhile."""

    def _lifecycle(self, settings: Settings) -> CustomResource:
        environment = {"DETACH_PER_SECOND": str(_DETACH_PER_SECOND)}
        on_event = PubSubFunction(
            self,
            "OnEvent",
            settings=settings,
            handler="iot_policy_lifecycle.on_event",
            description="Gives the IoT policy its epoch",
            environment=environment,
            timeout=Duration.minutes(1),
        )
        is_complete = PubSubFunction(
            self,
            "IsComplete",
            settings=settings,
            handler="iot_policy_lifecycle.is_complete",
            description="Detaches the IoT policy from every identity before it is deleted",
            environment=environment,
            timeout=Duration.minutes(15),
        )
        policy_arn = Stack.of(self).format_arn(service="iot", resource="policy", resource_name=settings.policy_name)
        permission = iam.Policy(
            self,
            "Permission",
            roles=[is_complete.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "iot:DeletePolicy",
                        "iot:DeletePolicyVersion",
                        "iot:ListPolicyVersions",
                    ],
                    resources=[policy_arn],
                ),
                iam.PolicyStatement(actions=["iot:ListTargetsForPolicy", "iot:DetachPolicy"], resources=["*"]),
            ],
        )
        acknowledge(
            permission,
            {
                "AwsSolutions-IAM5[Resource::*]": (
                    "Detaching is authorized on the target, and an identity has no ARN; listing targets reads only."
                )
            },
        )
        provider = waiting_resource_provider(self, settings, on_event=on_event, is_complete=is_complete)
        lifecycle = CustomResource(
            self,
            "Lifecycle",
            resource_type="Custom::IotPolicyLifecycle",
            service_token=provider.service_token,
            properties={"PolicyName": settings.policy_name},
        )
        lifecycle.node.add_dependency(permission)
        return lifecycle


def _full_topic_access(stack: Stack) -> dict[str, object]:
    def everything(kind: str) -> str:
        return stack.format_arn(
            service="iot", resource=kind, resource_name="*", arn_format=ArnFormat.SLASH_RESOURCE_NAME
        )

    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": [everything(kind)]}
            for kind, actions in FULL_TOPIC_ACCESS.items()
        ],
    }
