"""Attachment at sign-in: the trigger, the challenge that only it can answer, the key between them, the retry queue."""

from __future__ import annotations

import hashlib
import json

from aws_cdk import Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output

from .acknowledgements import acknowledge
from .attaching_switch import AttachingSwitch
from .functions import PubSubFunction
from .identity_pool import Identities
from .iot_policy import IotPolicy
from .retry_queue import RetryQueue
from .settings import Settings
from .user_pool import PubSubUserPool, Users

# Cognito waits 5 s for a trigger, a cold start included
# (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html).
# The trigger gives up by itself well before Lambda would (which counts in whole seconds), and Lambda before Cognito.
_TRIGGER_TIMEOUT = Duration.seconds(4)
_BUDGET_SECONDS = 2.5
_QUEUE_SECONDS = 0.8
# One full vCPU: a cold start's import of the SDK is the longest part of a first sign-in.
_MEMORY_SIZE = 1769

# What administrators need, and nothing that makes or verifies a MAC; not CreateGrant, which could give that away.
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
    """Wires the user pool so that each sign-in attaches the IoT policy to the user's identity."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        switch: AttachingSwitch,
        users: Users,
        internal_client: cognito.IUserPoolClient,
        identities: Identities,
    ) -> None:
        super().__init__(scope, construct_id)
        self._parameter_name = f"/{Stack.of(self).stack_name}/sign-in-attachment"
        self.marker: str = Fn.join("-", [_fingerprint(identities, policy, settings), policy.epoch])
        """What a current marker begins with."""
        parameter = {"CONFIGURATION_PARAMETER": self._parameter_name}
        # A pool that is there already may allow second factors tomorrow.
        second_factor = settings.mfa if isinstance(users, PubSubUserPool) else "optional"
        shared = {
            **parameter,
            **switch.environment,
            "ATTACHMENT_MARKER": self.marker,
            "MARKER_ATTRIBUTE": f"custom:{MARKER_ATTRIBUTE}",
            "MFA": second_factor,
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
            description="Challenges the internal sign-in; only the PostAuthentication trigger can answer",
            environment=parameter,
            timeout=_TRIGGER_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        key = self._mac_key()
        for function in (self.trigger, self.challenge, self.retry_queue.worker):
            function.add_environment("MAC_KEY_ID", key.key_id)
        self._publish_configuration(users, internal_client, identities)
        self._permissions(users, switch, asks_for_second_factor=second_factor == "optional")
        self.functions_by_trigger: dict[str, lambda_.Function] = {
            "PostAuthentication": self.trigger,
            "DefineAuthChallenge": self.challenge,
            "CreateAuthChallenge": self.challenge,
            "VerifyAuthChallengeResponse": self.challenge,
        }
        """By the names that a user pool's ``LambdaConfig`` has for its triggers."""
        self._let_the_pool_call(users)
        self.outputs: dict[Output, str] = {
            Output.ATTACHMENT_MARKER: self.marker,
            Output.POST_AUTHENTICATION_FUNCTION_NAME: self.trigger.function_name,
            Output.AUTH_CHALLENGE_FUNCTION_NAME: self.challenge.function_name,
            Output.RETRY_QUEUE_URL: self.retry_queue.queue.queue_url,
            Output.DEAD_LETTER_QUEUE_URL: self.retry_queue.dead_letter_queue.queue_url,
        }
        """What only a stack with this attachment tells the outside."""

    def _mac_key(self) -> kms.Key:
        """The HMAC key: administrators administer it, trigger and worker alone make MACs.

        The challenge verifies those that answer it, the worker those that come with a message.
        """
        return kms.Key(
            self,
            "MacKey",
            description="Proves that a internal sign-in was started by the PostAuthentication trigger",
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
                        sid="TriggerAndWorkerProve",
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
        self, users: Users, internal_client: cognito.IUserPoolClient, identities: Identities
    ) -> None:
        ssm.StringParameter(
            self,
            "Configuration",
            parameter_name=self._parameter_name,
            description="The pools that sign-in attachment works for; who can write it can sign in as anyone",
            string_value=Stack.of(self).to_json_string(
                {
                    "userPoolProvider": users.user_pool.user_pool_provider_name,
                    "internalClientId": internal_client.user_pool_client_id,
                    "identityPoolId": identities.identity_pool_id,
                }
            ),
        )

    def _permissions(self, users: Users, switch: AttachingSwitch, *, asks_for_second_factor: bool) -> None:
        """Policies apart from the roles: the user pool names the functions, so these cannot wait for the user pool."""
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
        asked_for = ["cognito-idp:AdminGetUser"] if asks_for_second_factor else []
        permissions = {
            "TriggerPermission": (self.trigger, asked_for),
            # The worker also looks whether the user is still there.
            "WorkerPermission": (self.retry_queue.worker, ["cognito-idp:AdminGetUser"]),
        }
        for construct_id, (function, reading) in permissions.items():
            permission = iam.Policy(
                self,
                construct_id,
                roles=[function.execution_role],
                statements=[
                    iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[parameter_arn, switch.arn]),
                    iam.PolicyStatement(
                        actions=[
                            *reading,
                            "cognito-idp:AdminInitiateAuth",
                            "cognito-idp:AdminRespondToAuthChallenge",
                            "cognito-idp:AdminUpdateUserAttributes",
                            "cognito-idp:DescribeUserPoolClient",
                        ],
                        resources=[users.user_pool.user_pool_arn],
                    ),
                    iam.PolicyStatement(actions=["iot:AttachPolicy"], resources=["*"]),
                ],
            )
            acknowledge(
                permission,
                {
                    "AwsSolutions-IAM5[Resource::*]": (
                        "iot:AttachPolicy is authorized on the target, and a Cognito identity has no ARN."
                    )
                },
            )
        iam.Policy(
            self,
            "TriggerQueues",
            roles=[self.trigger.execution_role],
            statements=[iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.retry_queue.queue.queue_arn])],
        )

    def _let_the_pool_call(self, users: Users) -> None:
        """Name the functions in the user pool; one that is not the stack's own is wired by its custom resource."""
        for trigger, function in self.functions_by_trigger.items():
            if isinstance(users.user_pool, cognito.UserPool):
                operation = cognito.UserPoolOperation.of(trigger[0].lower() + trigger[1:])
                users.user_pool.add_trigger(operation, function)
            else:
                function.add_permission(
                    f"{trigger}Invocation",
                    principal=iam.ServicePrincipal("cognito-idp.amazonaws.com"),
                    source_arn=users.user_pool.user_pool_arn,
                )


def _fingerprint(identities: Identities, policy: IotPolicy, settings: Settings) -> str:
    """Return what stands for the attachment in markers, as far as it is known at synthesis."""
    parts = [identities.fingerprint, policy.policy_name, settings.attachment_cache_version]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
