"""AWS IoT limits how many versions and attachments policies have."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot


def install() -> None:
    """Install each part."""
    _limit_attached_policies()
    _limit_versions()


_MAX_ATTACHED = 10


def _limit_attached_policies() -> None:
    """Attach at most ten IoT policies to an identity.

    ministack attaches any number.
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#limits_iot
    https://docs.aws.amazon.com/iot/latest/apireference/API_AttachPolicy.html
    """
    change = iot._change_policy_target

    def change_policy_target(name: str, target: str | None, *, attach: bool, **options: Any) -> Any:
        policy = iot._policies.get(name)
        if attach and target and policy is not None and target not in policy.get("targets", []):
            attached = sum(target in each.get("targets", []) for each in iot._policies.values())
            if attached >= _MAX_ATTACHED:
                message = f"The maximum number of policies attached to the principal {target} is {_MAX_ATTACHED}"
                return error_response_json("LimitExceededException", message, 410)
        return change(name, target, attach=attach, **options)

    iot._change_policy_target = change_policy_target


_MAX_VERSIONS = 5


def _limit_versions() -> None:
    """Reject a sixth version of an IoT policy until one is deleted.

    https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicyVersion.html
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#security-limits
    """
    create = iot._create_policy_version

    def create_policy_version(name: str, *request: Any) -> Any:
        policy = iot._policies.get(name)
        if policy and len(policy["versions"]) >= _MAX_VERSIONS:
            return error_response_json(
                "VersionsLimitExceededException",
                f"The policy {name} already has the maximum number of versions ({_MAX_VERSIONS})",
                409,
            )
        return create(name, *request)

    iot._create_policy_version = create_policy_version
