"""An HTTP API that CloudFormation makes answers browsers as its ``CorsConfiguration`` says.

ministack keeps the template's spelling of the configuration and looks for that of its API.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigatewayv2-api-cors.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway

NEEDS = {apigateway: ("_cors_preflight_response", "_cors_response_headers")}


def install() -> None:
    """Read the configuration in either spelling."""
    preflight, headers = apigateway._cors_preflight_response, apigateway._cors_response_headers
    apigateway._cors_preflight_response = lambda cors, origin: preflight(_as_in_the_api(cors), origin)
    apigateway._cors_response_headers = lambda cors, origin: headers(_as_in_the_api(cors), origin)


def _as_in_the_api(cors: dict[str, Any]) -> dict[str, Any]:
    return {name[0].lower() + name[1:]: value for name, value in cors.items()}
