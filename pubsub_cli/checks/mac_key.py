"""Is the KMS key of the internal sign-in usable?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.stack_resources import MAC_KEY, RESTORE, find_resource
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

_SPEC, _USAGE = "HMAC_256", "GENERATE_VERIFY_MAC"
_IMPACT = "the trigger cannot authenticate its internal sign-ins, so no sign-in attaches the policy"


class MacKeyIsUsable(Check):
    """The KMS key of the internal sign-in exists, is enabled, and makes HMACs.

    The trigger authenticates the internal sign-in with a MAC. KMS neither generates nor verifies MACs with a key that
    is disabled or pending deletion; every attachment then goes to the retry queue, whose worker needs the key too. Not
    applicable with the setting `attachment: self-attach`.
    """

    id = "PS125"
    group = Group.PROVISIONING
    title = "the MAC key exists and is enabled"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Describe the key."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: there is no internal sign-in")
        return await asyncio.to_thread(_check_key, context)


def _check_key(context: Context) -> Finding:
    key_id = find_resource(context, MAC_KEY)
    if key_id is None:
        resource = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        return failed(f"The stack {context.stack} has no MAC key: {_IMPACT}.", resource=resource, fix=RESTORE)
    kms = context.aws.kms
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        return failed(f"The MAC key {key_id} was deleted: {_IMPACT}.", resource=key_id, fix=RESTORE)
    return _problem(key) or passed(f"{key_id}, {key['KeySpec']}")


def _problem(key: KeyMetadataTypeDef) -> Finding | None:
    """Return why a key cannot be used; None if it can.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    key_id, state = key["KeyId"], key.get("KeyState")
    # Not safe: an operator may have disabled the key to stop internal sign-ins.
    enable = AwsCommand("kms", "EnableKey", {"KeyId": key_id})
    if state == "Disabled":
        return failed(f"The MAC key {key_id} is disabled: {_IMPACT}.", resource=key_id, fix=enable)
    if state == "PendingDeletion":
        at = f"{key['DeletionDate']:%Y-%m-%d %H:%M %Z}" if "DeletionDate" in key else "soon"
        return failed(
            f"The MAC key {key_id} is pending deletion ({at}): {_IMPACT}.",
            resource=key_id,
            fix=[AwsCommand("kms", "CancelKeyDeletion", {"KeyId": key_id}), enable],
        )
    if (key.get("KeyUsage"), key.get("KeySpec")) != (_USAGE, _SPEC):
        return failed(
            f"The MAC key {key_id} is of spec {key.get('KeySpec')} for {key.get('KeyUsage')}, not {_SPEC} for "
            f"{_USAGE}: {_IMPACT}.",
            resource=key_id,
            fix=RESTORE,
        )
    if state != "Enabled":
        return failed(
            f"The MAC key {key_id} is {state}: {_IMPACT}.", resource=key_id, fix="Run it again when the key is Enabled."
        )
    return None
