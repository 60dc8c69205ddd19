"""The sweep over all identities: function, state machine and schedule."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE

from .batch_state_machine import STEP_TIMEOUT, BatchStateMachine
from .functions import IDENTITY_TARGETS, PubSubFunction, service_principal, suppress_nag
from .identity_pool import IdentityPoolResources
from .iot_policy import IotPolicy
from .settings import Settings
from .sign_in_attachment import SignInAttachment
from .user_pool import UserPoolResources

_MEMORY_SIZE = 512


class Sweep(Construct):
    """Checks every identity on a schedule and on request, and attaches the policy where it is missing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        user_pool: UserPoolResources,
        identity_pool: IdentityPoolResources,
        sign_in: SignInAttachment | None,
    ) -> None:
        super().__init__(scope, construct_id)
        rates = settings.attach_per_second
        environment = policy.pause.environment | {
            "ATTACH_PER_SECOND": str(rates.sweep),
            "POLICY_GENERATION": policy.generation,
            "FULL_EVERY_DAYS": str(settings.sweep.full_every_days),
            "IDENTITY_POOL_ID": identity_pool.identity_pool_id,
            **identity_pool.login_environment,
            "LIST_PER_SECOND": str(rates.list_rate(settings.attachment)),
            "POLICY_NAME": policy.policy_name,
            "STACK_NAME": Stack.of(self).stack_name,
        }
        if sign_in:
            environment |= {
                "ATTACHMENT_MARKER": sign_in.marker,
                "MARKER_ATTRIBUTE": f"custom:{MARKER_ATTRIBUTE}",
                "RETRY_QUEUE_URL": sign_in.retry_queue.queue.queue_url,
                "USER_POOL_ID": user_pool.pool.user_pool_id,
                "RETRY_PER_SECOND": str(rates.retry),
            }
        self.function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="sweep.handler",
            description="Attaches the IoT policy to each identity that lacks it",
            environment=environment,
            timeout=STEP_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        # CloudFormation deletes the function before it detaches the policy, so that nothing attaches it again.
        self.function.node.add_dependency(policy)
        self.machine = BatchStateMachine(
            self,
            "Machine",
            name="sweep",
            function=self.function,
        )
        self._grant(policy, user_pool, identity_pool, sign_in)
        events.Rule(
            self,
            "Schedule",
            description="Starts a sweep over all identities of the identity pool",
            schedule=events.Schedule.expression(settings.sweep.schedule),
            targets=[targets.SfnStateMachine(self.machine.state_machine, role=self._starter())],
        )

    def _starter(self) -> iam.Role:
        """Create the role with which EventBridge starts executions. The rule's name begins with the stack's name.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html
        """
        stack = Stack.of(self)
        rules = stack.format_arn(service="events", resource="rule", resource_name=f"{stack.stack_name}-*")
        role = iam.Role(
            self,
            "Starter",
            assumed_by=service_principal(self, "events", rules),
            description="Starts sweeps on schedule",
        )
        self.machine.state_machine.grant_start_execution(role)
        return role

    def _grant(
        self,
        policy: IotPolicy,
        user_pool: UserPoolResources,
        identity_pool: IdentityPoolResources,
        sign_in: SignInAttachment | None,
    ) -> None:
        statements = [
            policy.pause.allow_changes(),
            iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[policy.pause.parameter_arn]),
            iam.PolicyStatement(actions=["cognito-identity:ListIdentities"], resources=[identity_pool.arn]),
            iam.PolicyStatement(actions=["iot:AttachPolicy", "iot:ListAttachedPolicies"], resources=["*"]),
            iam.PolicyStatement(actions=["states:ListExecutions"], resources=[self.machine.arn]),
            iam.PolicyStatement(
                actions=["states:DescribeExecution", "states:GetExecutionHistory"],
                resources=[self.machine.executions_arn],
            ),
        ]
        if sign_in:
            statements += [
                iam.PolicyStatement(
                    actions=["sqs:GetQueueAttributes", "sqs:SendMessage"],
                    resources=[sign_in.retry_queue.queue.queue_arn],
                ),
                iam.PolicyStatement(actions=["cognito-idp:ListUsers"], resources=[user_pool.pool.user_pool_arn]),
            ]
        permission = iam.Policy(self, "Permission", roles=[self.function.execution_role], statements=statements)
        suppress_nag(permission, {**IDENTITY_TARGETS, **self.machine.executions_finding})
