"""HTTP APIs answer unauthorized and cross-origin requests as API Gateway does."""

from __future__ import annotations

import json
from typing import Any

from ministack import app
from ministack.services import apigateway


def install() -> None:
    """Install each part."""
    _answer_forbidden()
    _apply_cors_of_templates()


_FORBIDDEN = 403, {"Content-Type": "application/json"}, json.dumps({"message": "Forbidden"}).encode()


def _answer_forbidden() -> None:
    """Answer 403 Forbidden to every unauthorized call of a route with IAM authorization.

    ministack answers in another form, accepts an ``Authorization`` header that is not a signature, and answers 403
    instead of 404 if there is no route.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
    """
    enforce = app._enforce_execute_api

    def enforce_execute_api(
        api_id: str, stage: str, method: str, path: str, headers: dict[str, str], *args: Any, **details: Any
    ) -> Any:
        if apigateway._api_protocol(api_id) != "HTTP":
            return enforce(api_id, stage, method, path, headers, *args, **details)
        if apigateway.route_authorization_type(api_id, stage, method, path) != "AWS_IAM":
            return None
        signed = headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
        is_denied = not signed or enforce(api_id, stage, method, path, headers, *args, **details)
        return _FORBIDDEN if is_denied else None

    app._enforce_execute_api = enforce_execute_api


def _apply_cors_of_templates() -> None:
    """Apply the ``CorsConfiguration`` of an HTTP API that CloudFormation created.

    ministack stores the template's capitalized names and reads the API's.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigatewayv2-api-cors.html
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
    """
    preflight, headers = apigateway._cors_preflight_response, apigateway._cors_response_headers
    apigateway._cors_preflight_response = lambda cors, origin: preflight(_with_api_names(cors), origin)
    apigateway._cors_response_headers = lambda cors, origin: headers(_with_api_names(cors), origin)


def _with_api_names(cors: dict[str, Any]) -> dict[str, Any]:
    return {name[0].lower() + name[1:]: value for name, value in cors.items()}
