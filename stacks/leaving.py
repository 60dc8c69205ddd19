"""What takes an IoT policy off everybody: before the stack goes, after a rename, and for `pubsub detach --all`."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .acknowledgements import acknowledge
from .attaching_switch import AttachingSwitch
from .functions import PubSubFunction
from .looping_state_machine import STEP_TIMEOUT, LoopingStateMachine
from .settings import Settings

_MEMORY_SIZE = 512
# AWS IoT takes 6 to 8 minutes to act on a change of policies:
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
_PROPAGATION_SECONDS = 600
# CDK's provider framework waits for an hour at most; a part of it is left for what does not go as planned.
_SECONDS = 3600 - 600


class Leaving(Construct):
    """A state machine that works through everything a policy is attached to, however many that are."""

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, *, switch: AttachingSwitch) -> None:
        super().__init__(scope, construct_id)
        rates = settings.attach_per_second
        looks = rates.looks(settings.attachment)
        self.function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="detach_all.handler",
            description="Takes an IoT policy off everything it is attached to",
            environment={
                **switch.environment,
                "ATTACH_PER_SECOND": str(rates.sweep),
                "DETACH_PER_SECOND": str(settings.detach_per_second),
                "LIST_PER_SECOND": str(looks),
                "POLICY_NAME": settings.policy_name,
                "PROPAGATION_SECONDS": str(_PROPAGATION_SECONDS),
                "STACK_NAME": Stack.of(self).stack_name,
            },
            timeout=STEP_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        self.machine = LoopingStateMachine(
            self,
            "Machine",
            name="detach-all",
            function=self.function,
            description="Takes an IoT policy off everything it is attached to",
        )
        permission = iam.Policy(
            self,
            "Permission",
            roles=[self.function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "iot:AttachPolicy",
                        "iot:DetachPolicy",
                        "iot:ListAttachedPolicies",
                    ],
                    resources=["*"],
                ),
                # Of the policy that leaves: the stack's own, one that it had before, or what the operator names.
                iam.PolicyStatement(actions=["iot:ListTargetsForPolicy"], resources=[self._policy_arn("*")]),
                switch.may_turn(),
            ],
        )
        acknowledge(
            permission,
            {
                "AwsSolutions-IAM5[Resource::*]": "They are authorized on the target, and an identity has no ARN.",
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>:policy/*]": (
                    "It reads only, and a renamed policy leaves under the name that it had."
                ),
            },
        )
        self.fitting = settings.detach_per_second * _SECONDS
        """How many identities a policy can leave while CloudFormation waits."""
        # Looked at and attached in one round, looked at and detached in another.
        seconds_each = 1 / min(rates.sweep, looks) + 1 / min(settings.detach_per_second, looks)
        self.fitting_rename = int((_SECONDS - _PROPAGATION_SECONDS) / seconds_each)
        """How many it can leave to another policy meanwhile."""

    def of_identity_pool(self, scope: Construct, identity_pool_arn: str) -> iam.Policy:
        """Allow to read the identities of a pool, which the policy may have to leave."""
        return iam.Policy(
            scope,
            "LeavingPermission",
            roles=[self.function.execution_role],
            statements=[
                iam.PolicyStatement(actions=["cognito-identity:ListIdentities"], resources=[identity_pool_arn])
            ],
        )

    def allow(self, scope: Construct, roles: list[iam.IRole]) -> iam.Policy:
        """Allow to start, stop and follow executions."""
        permission = iam.Policy(
            scope,
            "LeavingPermission",
            roles=roles,
            statements=[
                iam.PolicyStatement(
                    actions=["states:ListExecutions", "states:StartExecution"], resources=[self.machine.arn]
                ),
                iam.PolicyStatement(
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[self.machine.executions_arn],
                ),
            ],
        )
        acknowledge(
            permission,
            {
                self.machine.executions_finding: "Every execution of one state machine, whose name is whole.",
            },
        )
        return permission

    def _policy_arn(self, name: str) -> str:
        return Stack.of(self).format_arn(service="iot", resource="policy", resource_name=name)
