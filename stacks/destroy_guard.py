"""The custom resource that stops `cdk destroy` before anything is gone, if the time does not suffice."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .functions import PubSubFunction
from .leaving import Leaving
from .resource_provider import resource_provider
from .settings import MAX_ATTACHED_VARIABLE, Settings


class DestroyGuard(Construct):
    """Counts what the policy is attached to, before CloudFormation deletes anything else.

    It rests on everything else in the stack, so its deletion comes first and alone. If that fails, CloudFormation keeps
    what it rests on: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-dependson.html
    """

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, *, leaving: Leaving, guarded: Sequence[Construct]
    ) -> None:
        """Make the resource.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            settings: names the policy, and the rate.
            leaving: knows how many the policy can leave in time.
            guarded: everything else in the stack.
        """
        super().__init__(scope, construct_id)
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="destroy_guard.on_event",
            description="Stops the deletion of the stack while the IoT policy is attached to too many identities",
            environment={
                "DETACH_PER_SECOND": str(settings.detach_per_second),
                MAX_ATTACHED_VARIABLE: str(leaving.fitting),
                "POLICY_NAME": settings.policy_name,
                "STACK_NAME": Stack.of(self).stack_name,
            },
            timeout=Duration.minutes(12),
        )
        permission = iam.Policy(
            self,
            "Permission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["iot:ListTargetsForPolicy"],
                    resources=[
                        Stack.of(self).format_arn(service="iot", resource="policy", resource_name=settings.policy_name)
                    ],
                )
            ],
        )
        guard = CustomResource(
            self,
            "Guard",
            resource_type="Custom::DestroyGuard",
            service_token=resource_provider(self, settings, on_event=function).service_token,
        )
        guard.node.add_dependency(permission, *guarded)
