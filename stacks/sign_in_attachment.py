"""Attachment at sign-in: the trigger, the challenge that only the trigger can answer, and the key between them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aws_cdk import Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from pubsub_client.outputs import MARKER_ATTRIBUTE
from stacks.acknowledgements import acknowledge
from stacks.functions import PubSubFunction

if TYPE_CHECKING:
    from stacks.identity_pool import PubSubIdentityPool
    from stacks.iot_policy import IotPolicy
    from stacks.settings import Settings
    from stacks.user_pool import PubSubUserPool

# Cognito waits 5 s for a trigger, a cold start included
# (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html).
# The trigger gives up by itself well before Lambda would (which counts in whole seconds), and Lambda before Cognito.
_TRIGGER_TIMEOUT = Duration.seconds(4)
_BUDGET_SECONDS = 2.5
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
        users: PubSubUserPool,
        identities: PubSubIdentityPool,
    ) -> None:
        super().__init__(scope, construct_id)
        self._parameter_name = f"/{settings.stack_name}/sign-in-attachment"
        self.marker: str = Fn.join("-", [_fingerprint(identities, policy, settings), policy.epoch])
        """What a current marker begins with."""
        parameter = {"CONFIGURATION_PARAMETER": self._parameter_name}
        self.trigger = PubSubFunction(
            self,
            "PostAuthentication",
            settings=settings,
            handler="post_authentication.handler",
            description="Attaches the IoT policy to the identity of the user who signs in",
            environment={
                "ATTACHMENT_MARKER": self.marker,
                "BUDGET_SECONDS": str(_BUDGET_SECONDS),
                "MARKER_ATTRIBUTE": f"custom:{MARKER_ATTRIBUTE}",
                "MARKER_DAYS": str(settings.marker_days),
                "POLICY_NAME": policy.policy_name,
                "STACK_NAME": settings.stack_name,
            }
            | parameter,
            timeout=_TRIGGER_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        self.challenge = PubSubFunction(
            self,
            "AuthChallenge",
            settings=settings,
            handler="auth_challenge.handler",
            description="Challenges the nested sign-in; only the PostAuthentication trigger can answer",
            environment=parameter,
            timeout=_TRIGGER_TIMEOUT,
            memory_size=_MEMORY_SIZE,
        )
        key = self._mac_key()
        for function in (self.trigger, self.challenge):
            function.add_environment("MAC_KEY_ID", key.key_id)
        self._publish_configuration(users, identities)
        self._permissions(users)
        self._wire(users.user_pool)

    def _mac_key(self) -> kms.Key:
        """The HMAC key: administrators administer it, the trigger alone makes MACs, the challenge alone verifies."""
        return kms.Key(
            self,
            "MacKey",
            description="Proves that a nested sign-in was started by the PostAuthentication trigger",
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
                        sid="TriggerProves",
                        principals=[self.trigger.execution_role],
                        actions=["kms:GenerateMac"],
                        resources=["*"],
                    ),
                    iam.PolicyStatement(
                        sid="ChallengeVerifies",
                        principals=[self.challenge.execution_role],
                        actions=["kms:VerifyMac"],
                        resources=["*"],
                    ),
                ]
            ),
        )

    def _publish_configuration(self, users: PubSubUserPool, identities: PubSubIdentityPool) -> None:
        ssm.StringParameter(
            self,
            "Configuration",
            parameter_name=self._parameter_name,
            description="The pools that sign-in attachment works for; who can write it can sign in as anyone",
            string_value=Stack.of(self).to_json_string(
                {
                    "userPoolProvider": users.user_pool.user_pool_provider_name,
                    "internalClientId": users.internal_client.user_pool_client_id,
                    "identityPoolId": identities.identity_pool_id,
                }
            ),
        )

    def _permissions(self, users: PubSubUserPool) -> None:
        """Policies apart from the roles: the user pool names the functions, so these cannot wait for the user pool."""
        parameter_arn = Stack.of(self).format_arn(
            service="ssm",
            resource="parameter",
            resource_name=self._parameter_name.removeprefix("/"),
        )
        read_configuration = iam.PolicyStatement(actions=["ssm:GetParameter"], resources=[parameter_arn])
        iam.Policy(
            self,
            "ChallengePermission",
            roles=[self.challenge.execution_role],
            statements=[read_configuration],
        )
        permission = iam.Policy(
            self,
            "TriggerPermission",
            roles=[self.trigger.execution_role],
            statements=[
                read_configuration,
                iam.PolicyStatement(
                    actions=[
                        "cognito-idp:AdminInitiateAuth",
                        "cognito-idp:AdminRespondToAuthChallenge",
                        "cognito-idp:AdminUpdateUserAttributes",
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

    def _wire(self, user_pool: cognito.UserPool) -> None:
        user_pool.add_trigger(cognito.UserPoolOperation.POST_AUTHENTICATION, self.trigger)
        for operation in (
            cognito.UserPoolOperation.DEFINE_AUTH_CHALLENGE,
            cognito.UserPoolOperation.CREATE_AUTH_CHALLENGE,
            cognito.UserPoolOperation.VERIFY_AUTH_CHALLENGE_RESPONSE,
        ):
            user_pool.add_trigger(operation, self.challenge)


def _fingerprint(identities: PubSubIdentityPool, policy: IotPolicy, settings: Settings) -> str:
    """Return what stands for the attachment in markers, as far as it is known at synthesis."""
    parts = [identities.fingerprint, policy.policy_name, settings.marker_generation]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
