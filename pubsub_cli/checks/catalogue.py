"""All checks in the order in which they run, and the selection for a run."""

from __future__ import annotations

from collections.abc import Collection

from pubsub_cli.checks.app_clients import AppClientSignsIn, IdentityPoolAcceptsTokens
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.configuration import (
    LimitsAreKept,
    OutputsAreComplete,
    PackagesMatch,
    TokenIsValid,
    TopicsAreValid,
)
from pubsub_cli.checks.connection import (
    ClientIdIsUnshared,
    GroupUsersConnect,
    MessageComesBack,
    RoundTrips,
    UserConnects,
    UserSubscribes,
)
from pubsub_cli.checks.endpoint import ClockAgrees, EndpointIsReached, EndpointIsRight
from pubsub_cli.checks.functions import ConcurrencySuffices, LogGroupsExist, OtherFunctionsCanRun, SignInFunctionsCanRun
from pubsub_cli.checks.identity import IdentityIsGiven, IdentityIsSignedIn, PolicyIsAttached, PolicyIsOnIdentities
from pubsub_cli.checks.internal_sign_in import InternalSignInIsConfigured, MacKeyIsUsable, ParametersAreValid
from pubsub_cli.checks.operations import (
    EventSourceIsEnabled,
    NoDeadLetters,
    QueuesExist,
    SchedulesAreEnabled,
    StateMachinesAreActive,
)
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.permissions import CredentialsAreGiven, PolicyAllows, RoleAllows
from pubsub_cli.checks.provisioning import NoTestUsersAreLeft, PolicyExists, TriggerIsConfigured
from pubsub_cli.checks.rejections import (
    ControlPlaneIsDenied,
    GuestIsRejected,
    OtherTopicsAreDenied,
    UnattachedIdentityIsRejected,
    UnsignedSocketIsRejected,
)
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.checks.roles import (
    GroupRolesHoldThePolicies,
    RoleHoldsThePolicies,
    RolesAreGuarded,
    RoleTrustsThePool,
)
from pubsub_cli.checks.self_attach import SelfAttachRepairs, SelfAttachRouteWorks, UnsignedSelfAttachIsRejected
from pubsub_cli.checks.sign_in import LastTriggerRunSucceeded, RepeatSignInSkipsAttachment, UserCanSignIn, UserSignsIn
from pubsub_cli.checks.trigger import FunctionsMayAttach, PoolMayInvoke, TriggerIsAsDeployed

CHECKS: tuple[type[Check], ...] = (
    OutputsAreComplete,
    TokenIsValid,
    TopicsAreValid,
    LimitsAreKept,
    PackagesMatch,
    EndpointIsRight,
    EndpointIsReached,
    ClockAgrees,
    PolicyExists,
    IdentityPoolAcceptsTokens,
    AppClientSignsIn,
    TriggerIsConfigured,
    SignInFunctionsCanRun,
    PoolMayInvoke,
    TriggerIsAsDeployed,
    LogGroupsExist,
    ConcurrencySuffices,
    FunctionsMayAttach,
    MacKeyIsUsable,
    ParametersAreValid,
    InternalSignInIsConfigured,
    SelfAttachRouteWorks,
    NoTestUsersAreLeft,
    UserCanSignIn,
    UserSignsIn,
    LastTriggerRunSucceeded,
    IdentityIsGiven,
    IdentityIsSignedIn,
    PolicyIsOnIdentities,
    PolicyIsAttached,
    RepeatSignInSkipsAttachment,
    RolesAreGuarded,
    RoleHoldsThePolicies,
    GroupRolesHoldThePolicies,
    MappingGivesARole,
    RoleTrustsThePool,
    CredentialsAreGiven,
    RoleAllows,
    PolicyAllows,
    UserConnects,
    UserSubscribes,
    MessageComesBack,
    RoundTrips,
    GroupUsersConnect,
    ClientIdIsUnshared,
    GuestIsRejected,
    UnsignedSocketIsRejected,
    UnattachedIdentityIsRejected,
    OtherTopicsAreDenied,
    SelfAttachRepairs,
    UnsignedSelfAttachIsRejected,
    ControlPlaneIsDenied,
    QueuesExist,
    NoDeadLetters,
    OtherFunctionsCanRun,
    EventSourceIsEnabled,
    StateMachinesAreActive,
    SchedulesAreEnabled,
)

_OPTIONS = frozenset({Requirement.GIVEN_TOKEN, Requirement.CLIENT_ID, Requirement.PACKAGE_JSON, Requirement.LIMITS})
REPORTED_BY_SMOKE = frozenset({Requirement.TEST_USERS})
"""Requirements that `pubsub smoke` reports as missing. It leaves out checks that lack another one."""
REPORTED_BY_DOCTOR = frozenset(Requirement) - _OPTIONS - {Requirement.TEST_USERS, Requirement.PROBES}
"""The same for `pubsub doctor`."""


def select_checks(
    available: Collection[Requirement], reported: Collection[Requirement], only: Collection[str] = ()
) -> list[type[Check]]:
    """Return the checks of a run, in their order.

    Args:
        available: the requirements that the run meets.
        reported: the requirements that it reports as missing.
        only: ids; if given, only these checks and those they depend on.
    """
    wanted = with_dependencies({check for check in CHECKS if check.id in only}) if only else set(CHECKS)
    return [check for check in CHECKS if check in wanted and check.requirements <= {*available, *reported}]


def with_dependencies(checks: Collection[type[Check]]) -> set[type[Check]]:
    """Return the checks and all that they depend on."""
    wanted = set(checks)
    for check in reversed(CHECKS):
        wanted |= set(check.depends_on) if check in wanted else set()
    return wanted
