"""The pause flag of attachment, and the state machine that detaches an IoT policy from all its targets."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .batch_state_machine import STEP_TIMEOUT, BatchStateMachine
from .functions import IDENTITY_TARGETS, PubSubFunction, suppress_nag
from .settings import Settings

_MEMORY_SIZE = 512
# AWS IoT takes 6 to 8 minutes to apply a change of policies:
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
_PROPAGATION_SECONDS = 600
# CloudFormation waits an hour for a custom resource; ten minutes are a reserve.
_SECONDS = 3600 - 600


class AttachmentPause(Construct):
    """The pause flag: a parameter that is ``true`` while attachment is paused. `pubsub detach --all` sets it.

    A deployment does not reset it, because CloudFormation updates a parameter only if its template changes.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        name = f"/{Stack.of(self).stack_name}/attachment-paused"
        parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=name,
            description="true while attachment is paused: since `pubsub detach --all`, until `pubsub sweep --resume`",
            string_value="false",
        )
        self.environment = {"PAUSE_PARAMETER": name}
        """The environment variable that names the parameter to a function."""
        self.parameter_arn: str = parameter.parameter_arn

    def allow_changes(self) -> iam.PolicyStatement:
        """Return the permission to pause and resume attachment."""
        return iam.PolicyStatement(actions=["ssm:PutParameter"], resources=[self.parameter_arn])


class DetachAll(Construct):
    """Bulk detachment: a state machine that detaches a policy from any number of targets.

    It runs before the stack is deleted, after the policy is renamed, and for `pubsub detach --all`.
    """

    def __init__(self, scope: Construct, construct_id: str, settings: Settings, *, pause: AttachmentPause) -> None:
        super().__init__(scope, construct_id)
        rates = settings.attach_per_second
        list_rate = rates.list_rate(settings.attachment)
        self.function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="detach_all.handler",
            description="Detaches an IoT policy from all its targets",
            environment={
                **pause.environment,
                "ATTACH_PER_SECOND": str(rates.sweep),
                "DETACH_PER_SECOND": str(settings.detach_per_second),
                "LIST_PER_SECOND": str(list_rate),
                "POLICY_NAME": settings.policy_name,
                "PROPAGATION_SECONDS": str(_PROPAGATION_SECONDS),
                "STACK_NAME": Stack.of(self).stack_name,
            },
            timeout=STEP_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        self.machine = BatchStateMachine(self, "Machine", name="detach-all", function=self.function)
        permission = iam.Policy(
            self,
            "Permission",
            roles=[self.function.execution_role],
            statements=[
                iam.PolicyStatement(
                    actions=["iot:AttachPolicy", "iot:DetachPolicy", "iot:ListAttachedPolicies"], resources=["*"]
                ),
                # The policy is the stack's, one that the stack had before, or one that the operator names.
                iam.PolicyStatement(
                    actions=["iot:ListTargetsForPolicy"],
                    resources=[Stack.of(self).format_arn(service="iot", resource="policy", resource_name="*")],
                ),
                pause.allow_changes(),
            ],
        )
        suppress_nag(
            permission,
            {
                **IDENTITY_TARGETS,
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>:policy/*]": (
                    "This action only reads, and a renamed policy is detached under its former name."
                ),
            },
        )
        self.max_identities = settings.detach_per_second * _SECONDS
        """How many identities the function can detach a policy from while CloudFormation waits."""
        # The first pass lists and attaches the new policy, the second lists and detaches the old one.
        seconds_each = 1 / min(rates.sweep, list_rate) + 1 / min(settings.detach_per_second, list_rate)
        self.max_renamed_identities = int((_SECONDS - _PROPAGATION_SECONDS) / seconds_each)
        """How many identities can get the renamed policy while CloudFormation waits."""

    def allow_identity_pool(self, scope: Construct, identity_pool_arn: str) -> iam.Policy:
        """Let the function list the identities of a pool."""
        return iam.Policy(
            scope,
            "DetachAllPermission",
            roles=[self.function.execution_role],
            statements=[
                iam.PolicyStatement(actions=["cognito-identity:ListIdentities"], resources=[identity_pool_arn])
            ],
        )

    def allow_executions(self, scope: Construct, role: iam.IRole) -> iam.Policy:
        """Let a role start, stop and monitor executions."""
        permission = iam.Policy(
            scope,
            "DetachAllPermission",
            roles=[role],
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
        suppress_nag(permission, self.machine.executions_finding)
        return permission
