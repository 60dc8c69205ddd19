"""PubSub for the stack of another CDK app, which has its own user pool, identity pool and roles.

Each is used once in a stack, in this order, and rests on the one before::

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

from aws_cdk import Stack, Token
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .attaching_switch import AttachingSwitch
from .destroy_guard import DestroyGuard
from .fingerprint import fingerprint
from .identity_pool import AdoptedIdentityPool
from .iot_endpoint import IotEndpoint
from .iot_policy import IotPolicy
from .leaving import Leaving
from .monitoring import Monitoring
from .outputs import tell
from .role_access import RoleAccess
from .self_attach import SelfAttach
from .settings import CONTEXT_KEY, AccessMode, Settings, SettingsError, read_settings
from .sweep import Sweep
from .user_pool import AdoptedUserPool

# A state machine's name has at most 80 characters, and ours are called after the stack.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
_LONGEST_STACK_NAME = 80 - len("-sweep")
# Systems Manager reserves parameter names that begin so, in upper or lower case, and ours begin with the stack's name.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
_RESERVED_PREFIXES = ("aws", "ssm")


class PubSubPolicy(Construct):
    """The IoT policy of signed-in users, and what takes it off everybody before it goes."""

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
    ) -> None:
        """Make the policy; each of these is the setting of that name, and its default that of the setting.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            topics: patterns of the topics that it opens; ``*`` stands for any characters.
            access_mode: what the roles of signed-in users get, ``guarded`` unless given.
            policy_name: its name, unique in an account and region; the stack's unless given.
            detach_per_second: the account's quota of DetachPolicy.
            log_retention_days: how long the logs of every function of these constructs are kept.

        Raises:
            SettingsError: one of them is not allowed, or the stack's name is too long or begins with aws or ssm.
        """
        super().__init__(scope, construct_id)
        _check_stack_name(self)
        stack_name = Stack.of(self).stack_name
        self.settings = _settings(
            self,
            {
                "accessMode": access_mode,
                "attachment": "self-attach",
                "detachPerSecond": detach_per_second,
                "logRetentionDays": log_retention_days,
                "policyName": policy_name or stack_name,
                "topics": None if topics is None else [*topics],
            },
        )
        """What was chosen, checked."""
        self.switch = AttachingSwitch(self, "AttachingSwitch")
        """Says whether anything may attach the policy."""
        self.leaving = Leaving(self, "Leaving", self.settings, switch=self.switch)
        """Takes the policy off everybody."""
        self.iot_policy = IotPolicy(self, "IotPolicy", self.settings, leaving=self.leaving)
        """The policy."""


class PubSubAccess(Construct):
    """Gives the roles of signed-in users what PubSub needs: by the access mode, as for roles that are adopted.

    In ``guarded`` mode these are AWSIoTDataAccess and AWSIoTConfigAccess, and a deny of AWS IoT's control plane. What
    the roles are for otherwise stays as it is, and what they had before stays when this goes.
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
        """Give the roles what they need.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            policy: chooses the access mode.
            auth_role: the identity pool's role of signed-in users, of this stack or imported.
            other_roles: the other roles that it gives to signed-in users, of groups, of mapping rules.

        Raises:
            SettingsError: a role stands twice.
        """
        super().__init__(scope, construct_id)
        arns = [fingerprint(self, each.role_arn) for each in (auth_role, *other_roles)]
        if len({*arns}) < len(arns):
            raise SettingsError(f"{self.node.path}: auth_role and other_roles name a role twice: remove one")
        self.policy = policy
        """The policy that the roles' users get."""
        self.auth_role = auth_role
        """The role of signed-in users."""
        self.other_roles = [*other_roles]
        """The roles of those who get another."""
        RoleAccess(self, "RoleAccess", policy.settings, [auth_role, *other_roles])


class PubSubAttachment(Construct):
    """Attaches the policy to the identity of each signed-in user: by self-attach, and by the sweep.

    Neither pool is changed. The stack gets the outputs that front ends, the client and ``pubsub`` read, alarms and a
    dashboard, and a guard that stops its deletion while the policy is attached to more identities than there is time
    for.
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
        """Make what attaches.

        Args:
            scope: the construct it belongs to.
            construct_id: its id there.
            access: policy and roles.
            user_pool: the user pool that the users sign in to, of this stack or imported.
            user_pool_clients: its app clients whose users may use PubSub, the front end's first.
            identity_pool_id: the identity pool, such as the ``ref`` of a ``CfnIdentityPool``. Its signed-in users get
                the roles of ``access``, and these app clients are among its providers.
            other_providers: other identity providers of the identity pool whose users may use PubSub, by their names
                among an identity's logins; users of all others are refused.
            allow_origins: origins of the web pages whose scripts may call self-attach, any unless given.
            sweep_schedule: when a sweep over all identities begins, ``rate(1 day)`` unless given.
            alarm_topic: the SNS topic that every alarm notifies; its policy must let CloudWatch publish.

        Raises:
            SettingsError: one of them is not allowed, or there is no app client.
        """
        super().__init__(scope, construct_id)
        if not user_pool_clients:
            raise SettingsError(f"{self.node.path}: user_pool_clients is empty: name the front end's app client")
        policy, switch, leaving = access.policy.iot_policy, access.policy.switch, access.policy.leaving
        settings = _settings(
            self,
            {
                **access.policy.settings.model_dump(by_alias=True, exclude_unset=True, exclude={"environment"}),
                "allowOrigins": None if allow_origins is None else [*allow_origins],
                "sweep": None if sweep_schedule is None else {"schedule": sweep_schedule},
            },
        )
        if alarm_topic:  # its ARN may be known to CloudFormation alone
            settings = settings.model_copy(update={"alarm_topic_arn": alarm_topic.topic_arn})
        users = AdoptedUserPool(self, "Users", settings, user_pool=user_pool, clients=user_pool_clients)
        identities = AdoptedIdentityPool(
            self,
            "Identities",
            settings,
            identity_pool_id=identity_pool_id,
            auth_role=access.auth_role,
            other_roles=access.other_roles,
            users=users,
            policy=policy,
            leaving=leaving,
            other_providers=other_providers,
        )
        self_attach = SelfAttach(self, "SelfAttach", settings, policy=policy, switch=switch, identities=identities)
        sweep = Sweep(
            self,
            "Sweep",
            settings,
            policy=policy,
            switch=switch,
            users=users,
            identities=identities,
            sign_in=None,
        )
        endpoint = IotEndpoint(self, "IotEndpoint", settings)
        Monitoring(
            self,
            "Monitoring",
            settings,
            users=users,
            sign_in=None,
            self_attach=self_attach.function,
            sweep=sweep,
            leaving=leaving,
            wiring_watch=None,
        )
        parts = [each for each in self.node.children if isinstance(each, Construct)]
        DestroyGuard(self, "DestroyGuard", settings, leaving=leaving, guarded=[access.policy, access, *parts])
        self.endpoint: str = endpoint.address
        """The AWS IoT endpoint's host name."""
        self.self_attach_url: str = self_attach.url
        """Where a signed-in user has the policy attached."""
        tell(
            self,
            settings,
            users=users,
            identities=identities,
            policy=policy,
            endpoint=endpoint,
            self_attach=self_attach,
            sweep=sweep,
            leaving=leaving,
        )


def _check_stack_name(construct: Construct) -> None:
    """Check that resources can be named after the stack.

    Raises:
        SettingsError: the stack's name is too long or begins with a reserved prefix.
    """
    stack = Stack.of(construct)
    name = stack.stack_name
    if not Token.is_unresolved(name) and len(name) > _LONGEST_STACK_NAME:
        raise SettingsError(
            f"{construct.node.path}: the stack's name {name} has {len(name)} characters; allowed: at most "
            f"{_LONGEST_STACK_NAME}, as state machines are called after it"
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
    """Check what was given to a construct as settings are checked.

    Raises:
        SettingsError: something is not allowed; the message begins with the construct's path.
    """
    try:
        return read_settings({key: value for key, value in given.items() if value is not None}, None)
    except SettingsError as error:
        raise SettingsError(f"{construct.node.path}: {str(error).removeprefix(f'{CONTEXT_KEY}.')}") from None
