"""No more than ten IoT policies are attached to one identity.

ministack attaches any number.
https://docs.aws.amazon.com/general/latest/gr/iot-core.html#limits_iot
https://docs.aws.amazon.com/iot/latest/apireference/API_AttachPolicy.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot

NEEDS = {iot: ("_change_policy_target", "_policies")}

_MOST = 10


def install() -> None:
    """Count what is attached before another policy is."""
    change = iot._change_policy_target

    def change_policy_target(name: str, target: str | None, *, attach: bool, **options: Any) -> Any:
        policy = iot._policies.get(name)
        if attach and target and policy is not None and target not in policy.get("targets", []):
            attached = sum(target in each.get("targets", []) for each in iot._policies.values())
            if attached >= _MOST:
                message = f"The maximum number of policies attached to the principal {target} is {_MOST}"
                return error_response_json("LimitExceededException", message, 410)
        return change(name, target, attach=attach, **options)

    iot._change_policy_target = change_policy_target
