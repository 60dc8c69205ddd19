"""Attachment at sign-in: the trigger, the challenge, the MAC key of the internal sign-in, and the retry queue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from aws_cdk import Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output

from .functions import IDENTITY_TARGETS, PubSubFunction, suppress_nag
from .identity_pool import IdentityPoolResources
from .iot_policy import IotPolicy
from .settings import Settings
from .user_pool import PubSubUserPool, UserPoolResources

# Cognito waits 5 s for a trigger, including its cold start
# (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html).
# The trigger stops itself within its budget, before Lambda's timeout and before Cognito's.
_TRIGGER_TIMEOUT = Duration.seconds(4)
_BUDGET_SECONDS = 2.5
_QUEUE_SECONDS = 0.8
# One full vCPU, because importing the SDK at a cold start is the longest part of a first sign-in.
_MEMORY_SIZE = 1769

# The minimum concurrency of an event source:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
_WORKERS = 2
_WORKER_TIMEOUT = Duration.minutes(2)
# The limit for one message, so that a hanging call does not use up the time of the others.
_MESSAGE_SECONDS = 8.0
_WORKER_MEMORY_SIZE = 512
# Six times the function's timeout, as AWS recommends. The worker sets another one for messages that it defers.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_VISIBILITY_TIMEOUT = Duration.minutes(12)
# With the worker's backoff, a message is retried for about three hours.
_MAX_RECEIVE_COUNT = 30
_RETENTION = Duration.days(14)

# Administrators can neither generate nor verify MACs. They have no CreateGrant, which could delegate both.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
_KEY_ADMINISTRATION = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:Describe*",
    "kms:Disable*",
    "kms:Enable*",
    "kms:Get*",
    "kms:List*",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:Update*",
]


class SignInAttachment(Construct):
    """Attaches the IoT policy to a user's identity when the user signs in."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        user_pool: UserPoolResources,
        internal_client: cognito.IUserPoolClient,
        identity_pool: IdentityPoolResources,
    ) -> None:
        super().__init__(scope, construct_id)
        self._parameter_name = f"/{Stack.of(self).stack_name}/sign-in-attachment"
        self.marker: str = Fn.join("-", [_fingerprint(identity_pool, policy, settings), policy.generation])
        """The prefix of valid markers."""
        parameter = {"CONFIGURATION_PARAMETER": self._parameter_name}
        # The owner of an adopted pool can enable MFA later.
        mfa = settings.mfa if isinstance(user_pool, PubSubUserPool) else "optional"
        shared = {
            **parameter,
            **policy.pause.environment,
            "ATTACHMENT_MARKER": self.marker,
            "MARKER_ATTRIBUTE": f"custom:{MARKER_ATTRIBUTE}",
            "MFA": mfa,
            "POLICY_NAME": policy.policy_name,
            "STACK_NAME": Stack.of(self).stack_name,
        }
        self.retry_queue = RetryQueue(self, "RetryQueue", settings, environment=shared)
        self.trigger = PubSubFunction(
            self,
            "PostAuthentication",
            settings=settings,
            handler="post_authentication.handler",
            description="Attaches the IoT policy to the identity of the user who signs in",
            environment={
                **shared,
                "ATTEMPTS": "2",
                "BUDGET_SECONDS": str(_BUDGET_SECONDS),
                "ATTACHMENT_CACHE_DAYS": str(settings.attachment_cache_days),
                "QUEUE_SECONDS": str(_QUEUE_SECONDS),
                "RETRY_QUEUE_URL": self.retry_queue.queue.queue_url,
            },
            timeout=_TRIGGER_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        self.challenge = PubSubFunction(
            self,
            "AuthChallenge",
            settings=settings,
            handler="auth_challenge.handler",
            description="Verifies the challenge of the internal sign-in",
            environment=parameter,
            timeout=_TRIGGER_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        key = self._mac_key()
        for function in (self.trigger, self.challenge, self.retry_queue.worker):
            function.add_environment("MAC_KEY_ID", key.key_id)
        self._publish_configuration(user_pool, internal_client, identity_pool)
        self._grant(user_pool, policy, checks_mfa=mfa == "optional")
        self.functions_by_trigger: dict[str, lambda_.Function] = {
            "PostAuthentication": self.trigger,
            "DefineAuthChallenge": self.challenge,
            "CreateAuthChallenge": self.challenge,
            "VerifyAuthChallengeResponse": self.challenge,
        }
        """The functions by the names of the triggers in a user pool's ``LambdaConfig``."""
        self._allow_invocation(user_pool)
        self.outputs: dict[Output, str] = {
            Output.ATTACHMENT_MARKER: self.marker,
            Output.POST_AUTHENTICATION_FUNCTION_NAME: self.trigger.function_name,
            Output.AUTH_CHALLENGE_FUNCTION_NAME: self.challenge.function_name,
            Output.RETRY_QUEUE_URL: self.retry_queue.queue.queue_url,
            Output.DEAD_LETTER_QUEUE_URL: self.retry_queue.dead_letter_queue.queue_url,
        }
        """The outputs that only stacks with attachment at sign-in have."""

    def _mac_key(self) -> kms.Key:
        """Create the HMAC key. The challenge verifies MACs of answers, and the worker verifies MACs of messages."""
        return kms.Key(
            self,
            "MacKey",
            description="Proves that the trigger or the worker makes an internal sign-in",
            key_spec=kms.KeySpec.HMAC_256,
            key_usage=kms.KeyUsage.GENERATE_VERIFY_MAC,
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=Duration.days(7),
            policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="Administration",
                        principals=[iam.AccountRootPrincipal()],
                        actions=_KEY_ADMINISTRATION,
                        resources=["*"],
                    ),
                    iam.PolicyStatement(
                        sid="TriggerAndWorkerGenerate",
                        principals=[self.trigger.execution_role, self.retry_queue.worker.execution_role],
                        actions=["kms:GenerateMac"],
                        resources=["*"],
                    ),
                    iam.PolicyStatement(
                        sid="ChallengeAndWorkerVerify",
                        principals=[self.challenge.execution_role, self.retry_queue.worker.execution_role],
                        actions=["kms:VerifyMac"],
                        resources=["*"],
                    ),
                ]
            ),
        )

    def _publish_configuration(
        self,
        user_pool: UserPoolResources,
        internal_client: cognito.IUserPoolClient,
        identity_pool: IdentityPoolResources,
    ) -> None:
        ssm.StringParameter(
            self,
            "Configuration",
            parameter_name=self._parameter_name,
            description="Pools and app client of the internal sign-in. Write access lets a person sign in as any user",
            string_value=Stack.of(self).to_json_string(
                {
                    "userPoolProvider": user_pool.pool.user_pool_provider_name,
                    "internalClientId": internal_client.user_pool_client_id,
                    "identityPoolId": identity_pool.identity_pool_id,
                }
            ),
        )

    def _grant(self, user_pool: UserPoolResources, policy: IotPolicy, *, checks_mfa: bool) -> None:
        """Create separate policies: the user pool refers to the functions, so their roles cannot refer to the pool."""
        parameter_arn = Stack.of(self).format_arn(
            service="ssm",
            resource="parameter",
            resource_name=self._parameter_name.removeprefix("/"),
        )
        iam.Policy(
            self,
            "ChallengePermission",
            roles=[self.challenge.execution_role],
            statements=[iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[parameter_arn])],
        )
        mfa_check = ["cognito-idp:AdminGetUser"] if checks_mfa else []
        permissions = {
            "TriggerPermission": (self.trigger, mfa_check),
            # The worker also checks that the user still exists.
            "WorkerPermission": (self.retry_queue.worker, ["cognito-idp:AdminGetUser"]),
        }
        for construct_id, (function, reading) in permissions.items():
            permission = iam.Policy(
                self,
                construct_id,
                roles=[function.execution_role],
                statements=[
                    iam.PolicyStatement(
                        actions=["ssm:GetParameters"], resources=[parameter_arn, policy.pause.parameter_arn]
                    ),
                    iam.PolicyStatement(
                        actions=[
                            *reading,
                            "cognito-idp:AdminInitiateAuth",
                            "cognito-idp:AdminRespondToAuthChallenge",
                            "cognito-idp:AdminUpdateUserAttributes",
                            "cognito-idp:DescribeUserPoolClient",
                        ],
                        resources=[user_pool.pool.user_pool_arn],
                    ),
                    iam.PolicyStatement(actions=["iot:AttachPolicy"], resources=["*"]),
                ],
            )
            suppress_nag(permission, IDENTITY_TARGETS)
        iam.Policy(
            self,
            "TriggerQueues",
            roles=[self.trigger.execution_role],
            statements=[iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.retry_queue.queue.queue_arn])],
        )

    def _allow_invocation(self, user_pool: UserPoolResources) -> None:
        """Set the triggers of a created pool, or let an adopted pool invoke them; UserPoolTriggers sets those."""
        for trigger, function in self.functions_by_trigger.items():
            if isinstance(user_pool.pool, cognito.UserPool):
                operation = cognito.UserPoolOperation.of(trigger[0].lower() + trigger[1:])
                user_pool.pool.add_trigger(operation, function)
            else:
                function.add_permission(
                    f"{trigger}Invocation",
                    principal=iam.ServicePrincipal("cognito-idp.amazonaws.com"),
                    source_arn=user_pool.pool.user_pool_arn,
                )


def _fingerprint(identity_pool: IdentityPoolResources, policy: IotPolicy, settings: Settings) -> str:
    """Return the part of a marker that is known at synthesis."""
    parts = [identity_pool.fingerprint, policy.policy_name, settings.attachment_cache_version]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


class RetryQueue(Construct):
    """An encrypted queue of pending attachments, and the worker that processes them at a limited rate."""

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, *, environment: Mapping[str, str]
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letter_queue = _queue(self, "DeadLetters")
        self.queue = _queue(
            self,
            "Queue",
            visibility_timeout=_VISIBILITY_TIMEOUT,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=_MAX_RECEIVE_COUNT),
        )
        rates = settings.attach_per_second
        self.worker = PubSubFunction(
            self,
            "Worker",
            settings=settings,
            handler="attachment_retry.handler",
            description="Makes the attachments that sign-ins could not finish",
            environment={
                **environment,
                "ATTEMPTS": "1",  # the queue retries
                "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue.queue_url,
                "MESSAGE_SECONDS": str(_MESSAGE_SECONDS),
                "ATTACH_PER_SECOND_THROTTLED": str(rates.retry / _WORKERS),
                "RETRY_QUEUE_URL": self.queue.queue_url,
                "ATTACH_PER_SECOND": str(rates.total / _WORKERS),
            },
            timeout=_WORKER_TIMEOUT,
            memory_size=_WORKER_MEMORY_SIZE,
        )
        self.dead_letter_queue.grant_send_messages(self.worker)
        self.worker.add_event_source(
            event_sources.SqsEventSource(self.queue, max_concurrency=_WORKERS, report_batch_item_failures=True)
        )


def _queue(
    scope: Construct,
    construct_id: str,
    *,
    visibility_timeout: Duration | None = None,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_RETENTION,
        visibility_timeout=visibility_timeout,
        dead_letter_queue=dead_letter_queue,
    )
