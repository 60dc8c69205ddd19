"""ListTargetsForPolicy gives the targets of an IoT policy page by page.

ministack gives all at once, and looks through all of them whenever one is attached or asked for. AWS documents no
order; here it is that of the targets. Nor does it document the default page size, which is 25 for lists next to it.
https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
https://docs.aws.amazon.com/iot/latest/apireference/API_ListCACertificates.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import iot

from local_cloud.paging import SortedKeys, TokenError

_DEFAULT_PAGE, _LARGEST_PAGE = 25, 250
_PATH = "/policy-targets/"


def install() -> None:
    """Keep targets in order and list them in place of ministack."""
    create, load = iot._create_policy, iot.load_persisted_state

    def create_policy(name: str, payload: dict[str, Any]) -> Any:
        answer = create(name, payload)
        if answer[0] < 400:
            iot._policies[name]["targets"] = SortedKeys()
        return answer

    def load_persisted_state(data: Any) -> None:
        load(data)
        for policy in iot._policies.all_values():
            policy["targets"] = SortedKeys(policy["targets"])

    iot._create_policy = create_policy
    iot.load_persisted_state = load_persisted_state
    iot._list_targets_for_policy = _list_targets_for_policy


def _list_targets_for_policy(path: str, query: dict[str, str]) -> Any:
    name = path.removeprefix(_PATH)
    policy = iot._policies.get(name)
    if policy is None:
        return iot._error_not_found("Policy", name)
    size = query.get("pageSize", str(_DEFAULT_PAGE))
    if not size.isdecimal() or not 1 <= int(size) <= _LARGEST_PAGE:
        return _refusal(f"Value '{size}' at 'pageSize': allowed is 1 to {_LARGEST_PAGE}.")
    try:
        page = policy["targets"].page(policy["policyArn"], query.get("marker"), int(size))
    except TokenError:
        return _refusal("Value at 'marker' was not given out by this policy.")
    return json_response({"targets": page.keys} | ({"nextMarker": page.next_token} if page.next_token else {}))


def _refusal(message: str) -> Any:
    return error_response_json("InvalidRequestException", message, 400)
