"""A route of an HTTP API with IAM authorization refuses whoever may not call it with one answer, 403 Forbidden.

ministack words such a refusal as another service's, lets an ``Authorization`` header that is no signature through to
the function, and asks for permission where there is no route, which AWS answers 404.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack import app
from ministack.services import apigateway

NEEDS = {app: ("_enforce_execute_api",), apigateway: ("_api_protocol", "route_authorization_type")}

_FORBIDDEN = 403, {"Content-Type": "application/json"}, json.dumps({"message": "Forbidden"}).encode()


def install() -> None:
    """Look for the route first, and then word what ministack decides."""
    enforce = app._enforce_execute_api

    def enforce_execute_api(
        api_id: str, stage: str, method: str, path: str, headers: dict[str, str], *args: Any, **details: Any
    ) -> Any:
        if apigateway._api_protocol(api_id) != "HTTP":
            return enforce(api_id, stage, method, path, headers, *args, **details)
        if apigateway.route_authorization_type(api_id, stage, method, path) != "AWS_IAM":
            return None
        signed = headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
        refused = not signed or enforce(api_id, stage, method, path, headers, *args, **details)
        return _FORBIDDEN if refused else None

    app._enforce_execute_api = enforce_execute_api
