"""Handles CloudFormation's requests to custom resources, without CDK's provider framework.

CloudFormation invokes the function asynchronously, and waits for a response to the URL in the request.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import urllib3

_CREATE_FAILED = "create-failed"
"""The physical id of a resource that could not be created. CloudFormation requests its deletion, which does nothing."""
_POLL_SECONDS = 5.0
# An invocation ends this long before Lambda would stop it. A denied call is repeated for 75 s (iam_propagation.py).
_SPARE_SECONDS = 120.0
# Shorter than CloudFormation's timeout of an hour, so that the failure has a reason.
_MAX_SECONDS = 3480.0
# A response can have 4,096 bytes.
_MAX_REASON = 2000

_http = urllib3.PoolManager(retries=urllib3.Retry(5, backoff_factor=1, status_forcelist=(500, 502, 503, 504)))


def custom_resource(
    on_event: Callable[[dict[str, Any], Any], Mapping[str, Any]],
    is_complete: Callable[[dict[str, Any], Any], bool] | None = None,
) -> Callable[[dict[str, Any], Any], None]:
    """Return the handler of a Lambda function for custom resources.

    Args:
        on_event: takes CloudFormation's request and Lambda's context. It returns ``PhysicalResourceId`` and possibly
            ``Data``. An exception becomes the reason of the failure. If it fails to create a resource, it must undo
            what it did, because it gets no Delete request for that resource.
        is_complete: takes the request together with the result of ``on_event``, and the context. It is called every
            five seconds until it returns true, for up to 58 minutes. Before an invocation times out, the function
            invokes itself to continue, which its role must allow.
    """

    def handler(event: dict[str, Any], context: Any) -> None:
        try:
            response = _response(event, context)
        except Exception as error:  # noqa: BLE001 - CloudFormation would wait for an hour
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}"
            _send(event, "FAILED", {"Reason": f"{reason[:_MAX_REASON]} (log stream {context.log_stream_name})"})
        else:
            if response is not None:
                _send(event, "SUCCESS", response)

    def _response(event: dict[str, Any], context: Any) -> Mapping[str, Any] | None:
        """Return the response; None if another invocation sends it."""
        if event["RequestType"] == "Delete" and event["PhysicalResourceId"] == _CREATE_FAILED:
            return {}
        response = event.get("Response") or on_event(event, context)
        if is_complete is None:
            return response
        wait_until = event.get("WaitUntil") or time.time() + _MAX_SECONDS
        while not is_complete({**event, **response}, context):
            if time.time() > wait_until:
                raise TimeoutError(f"not complete after {_MAX_SECONDS / 60:.0f} minutes")
            if context.get_remaining_time_in_millis() / 1000 < _SPARE_SECONDS:
                _continue_later(event | {"Response": response, "WaitUntil": wait_until}, context)
                return None
            time.sleep(_POLL_SECONDS)
        return response

    return handler


def _continue_later(event: Mapping[str, Any], context: Any) -> None:
    """Continue in another invocation. There are six at most, and Lambda stops a loop after about 16.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    boto3.client("lambda").invoke(
        FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=json.dumps(event)
    )


def _send(event: Mapping[str, Any], status: str, response: Mapping[str, Any]) -> None:
    """Send the response.

    Raises:
        RuntimeError: the response was rejected. Lambda then repeats the asynchronous invocation.
        urllib3.exceptions.HTTPError: the response could not be sent. Lambda repeats the invocation too.
    """
    body = {
        "Status": status,
        "PhysicalResourceId": event.get("PhysicalResourceId", _CREATE_FAILED),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        **{name: value for name, value in response.items() if name in ("PhysicalResourceId", "Reason", "Data")},
    }
    # The URL is signed for an empty content type.
    answer = _http.request("PUT", event["ResponseURL"], body=json.dumps(body), headers={"Content-Type": ""}, timeout=10)
    if answer.status >= 400:  # noqa: PLR2004
        raise RuntimeError(f"the response to CloudFormation was rejected with status {answer.status}")
