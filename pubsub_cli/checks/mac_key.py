"""Can the functions of the internal sign-in use the KMS key that proves who started it?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.restoring import RESTORE
from pubsub_cli.checks.stack_resources import named
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

_SPEC, _USAGE = "HMAC_256", "GENERATE_VERIFY_MAC"
_SO = "the trigger cannot prove its internal sign-ins, so no sign-in attaches the policy"


class MacKeyIsUsable(Check):
    """The KMS key of the internal sign-in exists, is enabled, and makes HMACs.

    The trigger proves with a MAC that it started the internal sign-in. KMS neither makes nor verifies MACs with a key
    that is disabled or waits for its deletion; every attachment then goes to the retry queue, whose worker needs the
    key too. Not applicable with the setting `attachment: self-attach`.
    """

    id = "PS125"
    group = Group.PROVISIONING
    title = "the MAC key exists and is enabled"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Describe the key."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: nobody signs in nested")
        return await asyncio.to_thread(_look, context)


def _look(context: Context) -> Finding:
    key_id = named(context, "AWS::KMS::Key", "MacKey")
    if key_id is None:
        resource = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        return failed(f"The stack {context.stack} has no MAC key: {_SO}.", resource=resource, fix=RESTORE)
    kms = context.aws.kms
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        return failed(f"The MAC key {key_id} was deleted: {_SO}.", resource=key_id, fix=RESTORE)
    return _wrong(key) or passed(f"{key_id}, {key['KeySpec']}")


def _wrong(key: KeyMetadataTypeDef) -> Finding | None:
    """Return what keeps a key from being used; None if nothing does.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    key_id, state = key["KeyId"], key.get("KeyState")
    # Not safe to run unasked: somebody may have disabled the key to stop internal sign-ins.
    enable = AwsCommand("kms", "EnableKey", {"KeyId": key_id})
    if state == "Disabled":
        return failed(f"The MAC key {key_id} is disabled: {_SO}.", resource=key_id, fix=enable)
    if state == "PendingDeletion":
        at = f"{key['DeletionDate']:%Y-%m-%d %H:%M %Z}" if "DeletionDate" in key else "soon"
        return failed(
            f"The MAC key {key_id} waits for its deletion ({at}), and is disabled until then: {_SO}.",
            resource=key_id,
            fix=[AwsCommand("kms", "CancelKeyDeletion", {"KeyId": key_id}), enable],
        )
    if (key.get("KeyUsage"), key.get("KeySpec")) != (_USAGE, _SPEC):
        return failed(
            f"The MAC key {key_id} is of spec {key.get('KeySpec')} for {key.get('KeyUsage')}, not {_SPEC} for "
            f"{_USAGE}: {_SO}.",
            resource=key_id,
            fix=RESTORE,
        )
    if state != "Enabled":
        return failed(
            f"The MAC key {key_id} is {state}: {_SO}.", resource=key_id, fix="Run it again when the key is Enabled."
        )
    return None
