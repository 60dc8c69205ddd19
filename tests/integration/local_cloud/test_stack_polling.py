from __future__ import annotations

import json

import boto3
from botocore.config import Config

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import make_function, unique

_SLOW = """
import json, time, urllib.request
def handler(event, context):
    time.sleep(0.5)
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "slow"}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
"""


def test_cdk_cli_is_answered_when_the_stack_is_done_and_others_at_once(cloud: LocalCloud) -> None:
    name = unique("stack")
    slow = {"Type": "Custom::Slow", "Properties": {"ServiceToken": make_function(cloud, _SLOW)}}
    formation = cloud.client("cloudformation")
    formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Slow": slow}}))
    assert formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    cli = boto3.client(
        "cloudformation",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint_url,
        config=Config(user_agent_extra="aws-cdk/2.0.0"),
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert cli.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
