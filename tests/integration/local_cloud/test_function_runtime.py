from __future__ import annotations

import json

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import make_function

_SOURCE = """
import boto3, botocore.compat
try:
    import awscrt
except ModuleNotFoundError as error:
    found = str(error)
def handler(event, context):
    return [found, botocore.compat.HAS_CRT]
"""


def test_a_function_has_the_sdk_and_not_what_this_machine_has_besides(cloud: LocalCloud) -> None:
    answer = cloud.client("lambda").invoke(FunctionName=make_function(cloud, _SOURCE))
    found, has_crt = json.loads(answer["Payload"].read())
    assert "Lambda's Python runtime has none" in found
    assert not has_crt
