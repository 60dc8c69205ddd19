"""An IoT policy has five versions at most; another one is refused until one is deleted.

https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicyVersion.html
https://docs.aws.amazon.com/general/latest/gr/iot-core.html#security-limits
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot

NEEDS = {iot: ("_create_policy_version", "_policies")}

_MOST_VERSIONS = 5


def install() -> None:
    """Count a policy's versions before one is added."""
    create = iot._create_policy_version

    def create_policy_version(name: str, *request: Any) -> Any:
        policy = iot._policies.get(name)
        if policy and len(policy["versions"]) >= _MOST_VERSIONS:
            return error_response_json(
                "VersionsLimitExceededException",
                f"The policy {name} already has the maximum number of versions ({_MOST_VERSIONS})",
                409,
            )
        return create(name, *request)

    iot._create_policy_version = create_policy_version
