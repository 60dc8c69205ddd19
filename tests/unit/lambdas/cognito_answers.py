"""Answers of Cognito and SSM for unit tests of the functions that change pools."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.stub import Stubber


class RawStubber(Stubber):
    """A stubber whose answers also have a body, in which members may stand that the SDK does not know."""

    def add_response(
        self,
        method: str,
        service_response: Mapping[str, Any],
        expected_params: Mapping[str, Any] | None = None,
        unknown: dict[str, Any] | None = None,
    ) -> None:
        """Add an answer.

        Args:
            method: the client's method.
            service_response: what the SDK returns of the answer.
            expected_params: the parameters that the call must have.
            unknown: members of the answer that the SDK drops; nested ones are merged into those that it knows.
        """
        super().add_response(method, copy.deepcopy(service_response), expected_params)
        raw = json.loads(json.dumps(service_response, default=str))
        _merge(raw, unknown or {})
        response: AWSResponse = self._queue[-1]["response"][0]  # type: ignore[attr-defined]
        response._content = json.dumps(raw).encode()  # type: ignore[attr-defined]


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and name in into:
            _merge(into[name], value)
        else:
            into[name] = value


class Parameters(dict[str, str]):
    """The SSM parameters, by name; answers the calls of a client."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        client.meta.events.register("before-call.ssm", self._answer)

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        given = json.loads(params["body"])
        name = given["Name"]
        if model.name == "PutParameter":
            self[name] = given["Value"]
            return AWSResponse("", 200, HTTPHeaders(), None), {}
        if name not in self:
            return AWSResponse("", 400, HTTPHeaders(), None), {
                "Error": {"Code": "ParameterNotFound", "Message": "none"}
            }
        if model.name == "DeleteParameter":
            del self[name]
            return AWSResponse("", 200, HTTPHeaders(), None), {}
        return AWSResponse("", 200, HTTPHeaders(), None), {"Parameter": {"Name": name, "Value": self[name]}}
