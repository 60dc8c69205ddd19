"""The constructs of the stack. Other CDK apps can use them with their own pools.

Use each of the three once in a stack, in this order, because each needs the one before::

    policy = PubSubPolicy(self, "PubSubPolicy", topics=["orders/*"])
    access = PubSubAccess(self, "PubSubAccess", policy=policy, auth_role=signed_in)
    PubSubAttachment(
        self,
        "PubSubAttachment",
        access=access,
        user_pool=user_pool,
        user_pool_clients=[web],
        identity_pool_id=identity_pool.ref,
    )
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CfnOutput, Stack, Token
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from pubsub_client.outputs import AccessMode, Output

from .detach_all import AttachmentPause, DetachAll
from .drift_detector import DriftDetector
from .functions import fingerprint
from .identity_pool import AdoptedIdentityPool, IdentityPoolResources
from .iot_policy import DeletionGuard, IotPolicy
from .monitoring import Monitoring
from .roles import RoleAccess
from .self_attach import SelfAttach
from .settings import CONTEXT_KEY, Settings, SettingsError, read_settings
from .sign_in_attachment import SignInAttachment
from .sweep import Sweep
from .user_pool import AdoptedUserPool, UserPoolResources
from .user_pool_triggers import UserPoolTriggers

# The name of a state machine has at most 80 characters, and ours begin with the stack's name.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
_LONGEST_STACK_NAME = 80 - len("-detach-all")
# Systems Manager reserves parameter names with these prefixes, in upper or lower case, and ours begin with the stack's
# name. https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
_RESERVED_PREFIXES = ("aws", "ssm")


class PubSubPolicy(Construct):
    """The IoT policy of signed-in users, and the state machine that detaches the policy before it is deleted."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topics: Sequence[str] | None = None,
        access_mode: AccessMode | None = None,
        policy_name: str | None = None,
        detach_per_second: int | None = None,
        log_retention_days: int | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Create the policy. Each option is the setting of the same name, with its default unless noted.

        Args:
            scope: the parent construct.
            construct_id: its id there.
            topics: patterns of the topics that users can use; ``*`` matches any characters.
            access_mode: what the roles of signed-in users get.
            policy_name: the policy's name, unique in an account and region; by default the stack's name.
            detach_per_second: the account's quota of DetachPolicy calls a second.
            log_retention_days: how long CloudWatch keeps the logs of the functions of these constructs.
            settings: all settings, as ``read_settings`` returns them, instead of these options.

        Raises:
            SettingsError: an option has a wrong value, or the stack's name is too long or begins with aws or ssm.
        """
        super().__init__(scope, construct_id)
        _check_stack_name(self)
        self.settings = settings or _settings(
            self,
            {
                "accessMode": access_mode,
                "attachment": "self-attach",
                "detachPerSecond": detach_per_second,
                "logRetentionDays": log_retention_days,
                "policyName": policy_name or Stack.of(self).stack_name,
                "topics": None if topics is None else [*topics],
            },
        )
        """The validated settings."""
        pause = AttachmentPause(self, "AttachmentPause")
        detach_all = DetachAll(self, "DetachAll", self.settings, pause=pause)
        self.iot_policy = IotPolicy(self, "IotPolicy", self.settings, pause=pause, detach_all=detach_all)
        """The policy."""


class PubSubAccess(Construct):
    """Gives existing roles of signed-in users the permissions that PubSub needs in the policy's access mode.

    In ``guarded`` mode these are AWSIoTDataAccess, AWSIoTConfigAccess, and a deny of AWS IoT's control plane. Other
    policies of the roles are never changed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        policy: PubSubPolicy,
        auth_role: iam.IRole,
        other_roles: Sequence[iam.IRole] = (),
    ) -> None:
        """Give the roles the permissions.

        Args:
            scope: the parent construct.
            construct_id: its id there.
            policy: the IoT policy and its access mode.
            auth_role: the identity pool's role of signed-in users; created in this stack or imported.
            other_roles: other roles that the identity pool gives to signed-in users, by group or mapping rule.

        Raises:
            SettingsError: ``auth_role`` and ``other_roles`` contain a role twice.
        """
        super().__init__(scope, construct_id)
        arns = [fingerprint(self, each.role_arn) for each in (auth_role, *other_roles)]
        if len({*arns}) < len(arns):
            raise SettingsError(f"{self.node.path}: auth_role and other_roles contain a role twice; remove one")
        self.policy = policy
        """The IoT policy."""
        self.auth_role = auth_role
        """The role of signed-in users."""
        self.other_roles = [*other_roles]
        """The other roles."""
        RoleAccess(self, "RoleAccess", policy.settings, [auth_role, *other_roles])


class PubSubAttachment(Construct):
    """Attaches the policy to the identity of each signed-in user, by self-attach and by the sweep.

    It does not change the pools. It adds alarms, a dashboard, and the outputs that front ends, the client and
    ``pubsub`` read. It stops the deletion of the stack if there is not enough time to detach the policy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        access: PubSubAccess,
        user_pool: cognito.IUserPool,
        user_pool_clients: Sequence[cognito.IUserPoolClient],
        identity_pool_id: str,
        other_providers: Sequence[str] = (),
        allow_origins: Sequence[str] | None = None,
        sweep_schedule: str | None = None,
        alarm_topic: sns.ITopic | None = None,
    ) -> None:
        """Create the self-attach route, the sweep and the monitoring.

        Args:
            scope: the parent construct.
            construct_id: its id there.
            access: the policy and the roles.
            user_pool: the user pool; created in this stack or imported.
            user_pool_clients: app clients whose users can use PubSub, the front end's first.
            identity_pool_id: the identity pool, such as the ``ref`` of a ``CfnIdentityPool``. Its providers must
                include these app clients, and it must give signed-in users the roles of ``access``.
            other_providers: other identity providers of the pool whose users can use PubSub, by their names in an
                identity's logins. Users of all other providers are rejected.
            allow_origins: origins of web pages that can call self-attach; any origin by default.
            sweep_schedule: when a sweep over all identities begins; ``rate(1 day)`` by default.
            alarm_topic: the SNS topic that every alarm notifies. Its policy must let CloudWatch publish.

        Raises:
            SettingsError: an option has a wrong value, or ``user_pool_clients`` is empty.
        """
        super().__init__(scope, construct_id)
        if not user_pool_clients:
            raise SettingsError(f"{self.node.path}: user_pool_clients is empty; pass the front end's app client")
        policy = access.policy.iot_policy
        settings = _settings(
            self,
            {
                **access.policy.settings.model_dump(by_alias=True, exclude_unset=True, exclude={"environment"}),
                "allowOrigins": None if allow_origins is None else [*allow_origins],
                "sweep": None if sweep_schedule is None else {"schedule": sweep_schedule},
            },
        )
        if alarm_topic:  # not validated, because its ARN may be a token
            settings = settings.model_copy(update={"alarm_topic_arn": alarm_topic.topic_arn})
        adopted = AdoptedUserPool(self, "UserPool", settings, user_pool=user_pool, clients=user_pool_clients)
        attachment = AttachmentResources(
            self,
            "Default",  # which CDK leaves out of logical ids
            settings,
            policy=policy,
            user_pool=adopted,
            identity_pool=AdoptedIdentityPool(
                self,
                "IdentityPool",
                settings,
                identity_pool_id=identity_pool_id,
                auth_role=access.auth_role,
                other_roles=access.other_roles,
                user_pool=adopted,
                policy=policy,
                other_providers=other_providers,
            ),
        )
        self.endpoint: str = policy.endpoint_address
        """The host name of the AWS IoT endpoint."""
        self.self_attach_url: str = attachment.self_attach.url
        """The URL of the self-attach route."""
        DeletionGuard(self, "DeletionGuard", settings, policy=policy, others=[access.policy, access])


class AttachmentResources(Construct):
    """Everything that attaches the policy to identities of the pools, with its alarms and the stack's outputs.

    If the user pool has an internal app client, the policy is also attached at sign-in.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        user_pool: UserPoolResources,
        identity_pool: IdentityPoolResources,
    ) -> None:
        super().__init__(scope, construct_id)
        sign_in = None
        if user_pool.internal_client:
            sign_in = SignInAttachment(
                self,
                "SignInAttachment",
                settings,
                policy=policy,
                user_pool=user_pool,
                internal_client=user_pool.internal_client,
                identity_pool=identity_pool,
            )
        self.self_attach = SelfAttach(self, "SelfAttach", settings, policy=policy, identity_pool=identity_pool)
        sweep = Sweep(
            self, "Sweep", settings, policy=policy, user_pool=user_pool, identity_pool=identity_pool, sign_in=sign_in
        )
        triggers = sign_in.functions_by_trigger if sign_in else {}
        is_adopted = isinstance(user_pool, AdoptedUserPool)
        if triggers or settings.groups or not is_adopted:
            UserPoolTriggers(
                self, "UserPoolTriggers", settings, user_pool=user_pool, triggers=triggers, identity_pool=identity_pool
            )
        drift_detector = None
        if is_adopted and triggers:
            drift_detector = DriftDetector(
                self, "DriftDetector", settings, user_pool=user_pool, identity_pool=identity_pool, triggers=triggers
            )
        if settings.monitoring != "off":
            Monitoring(
                self,
                "Monitoring",
                settings,
                user_pool=user_pool,
                sign_in=sign_in,
                self_attach=self.self_attach.function,
                sweep=sweep,
                detach_all=policy.detach_all,
                drift_detector=drift_detector,
            )
        chained = settings.adopt.chained_triggers
        outputs = {
            Output.REGION: Stack.of(self).region,
            Output.USER_POOL_ID: user_pool.pool.user_pool_id,
            Output.USER_POOL_CLIENT_ID: user_pool.client.user_pool_client_id,
            Output.IDENTITY_POOL_ID: identity_pool.identity_pool_id,
            Output.PUBSUB_ENDPOINT: policy.endpoint_address,
            Output.POLICY_NAME: policy.policy_name,
            Output.AUTH_ROLE_ARN: identity_pool.auth_role.role_arn,
            Output.ACCESS_MODE: settings.access_mode,
            Output.SELF_ATTACH_URL: self.self_attach.url,
            Output.SWEEP_STATE_MACHINE_ARN: sweep.machine.arn,
            Output.DETACH_ALL_STATE_MACHINE_ARN: policy.detach_all.machine.arn,
            **({Output.TOPICS: ",".join(settings.topics)} if settings.topics else {}),
            **(sign_in.outputs if sign_in else {}),
            **({Output.CHAINED_TRIGGERS: ",".join(chained)} if chained else {}),
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value).override_logical_id(name)


def _check_stack_name(construct: Construct) -> None:
    """Check that state machines and parameters can be named after the stack.

    Raises:
        SettingsError: the stack's name is too long or begins with a reserved prefix.
    """
    stack = Stack.of(construct)
    name = stack.stack_name
    if not Token.is_unresolved(name) and len(name) > _LONGEST_STACK_NAME:
        raise SettingsError(
            f"{construct.node.path}: the stack's name {name} has {len(name)} characters; allowed: at most "
            f"{_LONGEST_STACK_NAME}, because the names of state machines begin with it"
        )
    while stack.nested_stack_parent:  # CloudFormation begins a nested stack's name with its parent's
        stack = stack.nested_stack_parent
    name = stack.stack_name
    if name.lower().startswith(_RESERVED_PREFIXES):
        raise SettingsError(
            f"{construct.node.path}: the stack's name {name} begins with {name[:3]}; allowed: names that do not begin "
            "with aws or ssm, because Systems Manager reserves these prefixes for parameters of AWS"
        )


def _settings(construct: Construct, given: Mapping[str, Any]) -> Settings:
    """Validate the options of a construct as settings.

    Raises:
        SettingsError: an option has a wrong value; the message begins with the construct's path.
    """
    try:
        return read_settings({key: value for key, value in given.items() if value is not None}, None)
    except SettingsError as error:
        raise SettingsError(f"{construct.node.path}: {str(error).removeprefix(f'{CONTEXT_KEY}.')}") from None
