"""The smoke test: which checks, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pubsub_client.checks.authorization import CredentialsAreGiven, GroupRolesHoldThePolicies, RoleHoldsThePolicies
from pubsub_client.checks.configuration import OutputsAreComplete
from pubsub_client.checks.connection import GroupUsersConnect, UserConnects, UserSubscribes
from pubsub_client.checks.identity import IdentityIsGiven, PolicyIsAttached
from pubsub_client.checks.messages import MessageComesBack, RoundTrips
from pubsub_client.checks.provisioning import NothingIsLeftOver, PolicyExists, TriggerIsWired
from pubsub_client.checks.refusals import (
    ControlPlaneIsRefused,
    GuestIsRefused,
    UnattachedIdentityIsRefused,
    UnsignedSocketIsRefused,
)
from pubsub_client.checks.retry_queue import NoDeadLetters, WorkerIsFed
from pubsub_client.checks.self_attach import SelfAttachRepairs, UnsignedSelfAttachIsRefused
from pubsub_client.checks.sign_in import RepeatSignInIsQuick, UserSignsIn

if TYPE_CHECKING:
    from pubsub_client.checks.check import Check

SMOKE_CHECKS: tuple[type[Check], ...] = (
    OutputsAreComplete,
    PolicyExists,
    TriggerIsWired,
    NothingIsLeftOver,
    UserSignsIn,
    IdentityIsGiven,
    PolicyIsAttached,
    RepeatSignInIsQuick,
    RoleHoldsThePolicies,
    GroupRolesHoldThePolicies,
    CredentialsAreGiven,
    UserConnects,
    UserSubscribes,
    MessageComesBack,
    RoundTrips,
    GroupUsersConnect,
    GuestIsRefused,
    UnsignedSocketIsRefused,
    UnattachedIdentityIsRefused,
    SelfAttachRepairs,
    UnsignedSelfAttachIsRefused,
    ControlPlaneIsRefused,
    NoDeadLetters,
    WorkerIsFed,
)
