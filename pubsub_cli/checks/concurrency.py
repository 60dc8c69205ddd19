"""Does the account let Lambda run as many functions at once as first sign-ins need?"""

from __future__ import annotations

import asyncio
import math

from pubsub_cli.checks.check import Check, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed
from pubsub_client.outputs import Output

# At once: the trigger, and the challenge function or the trigger of the internal sign-in, which come one after another.
_PER_SIGN_IN = 2
# The trigger's budget, its longest work: stacks/sign_in_attachment.py.
_SECONDS = 2.5
# AWS IoT's default quota of AttachPolicy: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_PER_SECOND = 15
# Two workers and the sweep.
_BESIDES = 3
ENOUGH = math.ceil(_PER_SECOND * _SECONDS * _PER_SIGN_IN) + _BESIDES
"""Concurrent executions for as many first sign-ins as AWS IoT attaches."""

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_DEFAULT = 1000


class ConcurrencySuffices(Check):
    """Lambda may run enough functions at once in this account and region.

    A new AWS account can have a quota of 10 concurrent executions instead of 1,000. A first sign-in takes two at once:
    the trigger, and inside it the functions of the internal sign-in. Beyond the quota Lambda throttles the trigger, and
    Cognito fails the sign-in. The check wants 78: by default AWS IoT attaches 15 a second, each first sign-in takes two
    for 2.5 seconds, and worker and sweep take 3. A warning only. Not applicable with the setting `attachment:
    self-attach`.
    """

    id = "PS131"
    group = Group.PROVISIONING
    title = "Lambda concurrency is enough for first sign-ins"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the account's settings of Lambda."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: no sign-in invokes a function")
        settings = await asyncio.to_thread(context.aws.functions.get_account_settings)
        limit = settings["AccountLimit"]
        quota, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
        if free >= ENOUGH:
            return passed(f"{free} of {quota} unreserved")
        reserved = f", of which {quota - free} are reserved for single functions" if free < quota else ""
        at_once = max(0, free - _BESIDES) // _PER_SIGN_IN
        return failed(
            f"Lambda runs {quota} functions at once in this account and region{reserved}. A first sign-in takes "
            f"{_PER_SIGN_IN} for up to {_SECONDS:g} s, so {at_once} users can sign in for the first time at once; "
            "Lambda throttles the trigger of the next, and Cognito fails that sign-in. The "
            f"{_PER_SECOND} first sign-ins a second that AWS IoT attaches need {ENOUGH}: {_PER_SECOND} x "
            f"{_SECONDS:g} s x {_PER_SIGN_IN}, and {_BESIDES} for worker and sweep.",
            resource=f"Lambda in {context.output(Output.REGION)}",
            fix=[
                "Request the default quota of 1,000:",
                AwsCommand(
                    "service-quotas",
                    "RequestServiceQuotaIncrease",
                    {"ServiceCode": "lambda", "QuotaCode": "L-B99A9384", "DesiredValue": max(_DEFAULT, quota + ENOUGH)},
                ),
            ],
        )
