"""All checks in the order in which they run, and the selection of those that a run needs."""

from __future__ import annotations

from collections.abc import Collection

from pubsub_cli.checks import (
    amplify_packages,
    app_clients,
    configuration,
    connection,
    endpoint,
    functions,
    identity,
    internal_sign_in,
    operations,
    permissions,
    provisioning,
    rejections,
    role_mapping,
    roles,
    self_attach,
    sign_in,
    trigger,
)
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.options import Requirement

CHECKS: tuple[type[Check], ...] = (
    configuration.OutputsAreComplete,
    configuration.TokenIsValid,
    configuration.TopicsAreValid,
    configuration.LimitsAreKept,
    amplify_packages.PackagesMatch,
    endpoint.EndpointIsRight,
    endpoint.EndpointIsReached,
    endpoint.ClockAgrees,
    provisioning.PolicyExists,
    app_clients.IdentityPoolAcceptsTokens,
    app_clients.AppClientSignsIn,
    provisioning.TriggerIsConfigured,
    functions.SignInFunctionsCanRun,
    trigger.PoolMayInvoke,
    trigger.TriggerIsAsDeployed,
    functions.LogGroupsExist,
    functions.ConcurrencySuffices,
    trigger.FunctionsMayAttach,
    internal_sign_in.MacKeyIsUsable,
    internal_sign_in.ParametersAreValid,
    internal_sign_in.InternalSignInIsConfigured,
    self_attach.SelfAttachRouteWorks,
    provisioning.NoTestUsersAreLeft,
    sign_in.UserCanSignIn,
    sign_in.UserSignsIn,
    sign_in.LastTriggerRunSucceeded,
    identity.IdentityIsGiven,
    identity.IdentityIsSignedIn,
    identity.PolicyIsOnIdentities,
    identity.PolicyIsAttached,
    sign_in.RepeatSignInSkipsAttachment,
    roles.RolesAreGuarded,
    roles.RoleHoldsThePolicies,
    roles.GroupRolesHoldThePolicies,
    role_mapping.MappingGivesARole,
    roles.RoleTrustsThePool,
    permissions.CredentialsAreGiven,
    permissions.RoleAllows,
    permissions.PolicyAllows,
    connection.UserConnects,
    connection.UserSubscribes,
    connection.MessageComesBack,
    connection.RoundTrips,
    connection.GroupUsersConnect,
    connection.ClientIdIsUnshared,
    rejections.GuestIsRejected,
    rejections.UnsignedSocketIsRejected,
    rejections.UnattachedIdentityIsRejected,
    rejections.OtherTopicsAreDenied,
    rejections.ControlPlaneIsDenied,
    self_attach.SelfAttachRepairs,
    self_attach.UnsignedSelfAttachIsRejected,
    operations.QueuesExist,
    operations.NoDeadLetters,
    functions.OtherFunctionsCanRun,
    operations.EventSourceIsEnabled,
    operations.StateMachinesAreActive,
    operations.SchedulesAreEnabled,
)

_OPTIONS = frozenset({Requirement.GIVEN_TOKEN, Requirement.CLIENT_ID, Requirement.PACKAGE_JSON, Requirement.LIMITS})
REPORTED_BY_SMOKE = frozenset({Requirement.TEST_USERS})
"""`pubsub smoke` shows a check that lacks one of these as skipped. It does not list checks that lack another one."""
REPORTED_BY_DOCTOR = frozenset(Requirement) - _OPTIONS - {Requirement.TEST_USERS, Requirement.PROBES}
"""The same for `pubsub doctor`."""


def select_checks(
    available: Collection[Requirement], reported: Collection[Requirement], only: Collection[str] = ()
) -> list[type[Check]]:
    """Return the checks of a run, in order.

    Args:
        available: the requirements that the run meets.
        reported: the missing requirements for which a check is shown as skipped.
        only: ids of checks; without ids, all checks are selected, otherwise these and their dependencies.
    """
    wanted = with_dependencies({check for check in CHECKS if check.id in only}) if only else set(CHECKS)
    return [check for check in CHECKS if check in wanted and check.requirements <= {*available, *reported}]


def with_dependencies(checks: Collection[type[Check]]) -> set[type[Check]]:
    """Return the checks and all their dependencies."""
    wanted = set(checks)
    for check in reversed(CHECKS):
        wanted |= set(check.depends_on) if check in wanted else set()
    return wanted
