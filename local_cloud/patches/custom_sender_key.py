"""Who gives a user pool custom senders, or changes a pool that has some, needs the permission to create a grant.

Cognito encrypts codes for them with the key that ``LambdaConfig`` names. ministack does not ask for it.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_cloud import further_permissions
from local_cloud.further_permissions import FurtherPermission, require

NEEDS = further_permissions.NEEDS

_SENDERS = ("CustomEmailSender", "CustomSMSSender")


def install() -> None:
    """Ask for the permission on the key."""
    require({"cognito-idp:CreateUserPool": _grant, "cognito-idp:UpdateUserPool": _grant})


def _grant(given: Mapping[str, Any]) -> list[FurtherPermission]:
    config = given.get("LambdaConfig") or {}
    key_arn = config.get("KMSKeyID")
    has_senders = any(config.get(each) for each in _SENDERS)
    return [FurtherPermission("kms:CreateGrant", key_arn)] if key_arn and has_senders else []
