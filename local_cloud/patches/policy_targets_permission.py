"""Who lists the targets of an IoT policy needs the permission on that policy.

ministack asks for it on ``*``, so a permission for one policy allows nothing.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

NEEDS = {iam_actions: ("extract_resource_arn",)}

_PATH = "/policy-targets/"


def install() -> None:
    """Name the policy of the request."""
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, *request: Any) -> str:
        if service == "iot" and path.startswith(_PATH):
            name = unquote(path.removeprefix(_PATH))
            return f"arn:aws:iot:{get_region()}:{get_account_id()}:policy/{name}"
        arn: str = extract(service, method, path, *request)
        return arn

    iam_actions.extract_resource_arn = extract_resource_arn
