"""Did the trigger's last run succeed?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pubsub_cli.checks.app_clients import InternalSignInIsWired
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import log_group_of
from pubsub_cli.checks.functions import LogGroupsExist
from pubsub_cli.checks.mac_key import MacKeyIsUsable
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import TriggerIsConfigured
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.checks.trigger import FunctionsMayAttach
from pubsub_cli.checks.trigger_log import diagnose_line, last_log_entry, read_log, sign_in_time
from pubsub_cli.finding import Finding, failed, not_applicable, passed, warning
from pubsub_client.outputs import Output

_SECONDS_BEFORE = 60
"""How much of the log before a failure the fix shows."""


class LastTriggerRunSucceeded(Check):
    """The last run of the trigger did not fail.

    A trigger that raises an error or times out fails the sign-in. One that cannot attach the policy logs `Failed`, with
    the operation and its error. A failure before the run's own sign-in is a warning, because it might be fixed.
    """

    id = "PS124"
    group = Group.SIGN_IN
    title = "the trigger's last run succeeded"
    depends_on = (
        UserSignsIn,
        TriggerIsConfigured,
        FunctionsMayAttach,
        MacKeyIsUsable,
        LogGroupsExist,
        InternalSignInIsWired,
    )
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the end of its log."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: there is no trigger")
        name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        function = await asyncio.to_thread(context.aws.functions.get_function_configuration, FunctionName=name)
        log_group = log_group_of(function)
        entry = await asyncio.to_thread(last_log_entry, context.aws.logs, log_group)
        if entry is None:
            return passed("no run within the last hour")
        report, at = entry.report, f"{datetime.fromtimestamp(entry.time, UTC):%H:%M:%S %Z}"
        signed_in = sign_in_time(context)
        is_of_this_run = signed_in is not None and entry.time >= signed_in
        if not isinstance(report, str) and report["outcome"] != "Failed":
            since = ", since this sign-in began" if is_of_this_run else ""
            return passed(f"{report['outcome']} at {at}{since}")
        result = failed if is_of_this_run else warning
        since_time = entry.time - _SECONDS_BEFORE
        if isinstance(report, str):
            return result(
                f"At {at} the trigger {name} failed: {report}. Cognito fails the sign-in then.",
                resource=name,
                fix=read_log(log_group, since_time),
            )
        diagnosis = diagnose_line(report, function, since_time)
        cause = f"At {at}: {diagnosis.cause} The user stays without the policy."
        return result(cause, resource=name, fix=diagnosis.fix)
