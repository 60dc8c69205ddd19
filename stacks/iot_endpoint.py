"""The AWS IoT endpoint of the account and region, looked up at deploy time."""

from __future__ import annotations

from aws_cdk import CustomResource
from aws_cdk import aws_iam as iam
from constructs import Construct

from .acknowledgements import acknowledge
from .functions import PubSubFunction
from .resource_provider import CUSTOM_RESOURCE_TIMEOUT, resource_provider
from .settings import Settings


class IotEndpoint(Construct):
    """Looks the endpoint up; :attr:`address` is its bare host."""

    def __init__(self, scope: Construct, construct_id: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="iot_endpoint.on_event",
            description="Tells CloudFormation the AWS IoT endpoint",
            timeout=CUSTOM_RESOURCE_TIMEOUT,
        )
        permission = iam.Policy(
            self,
            "Permission",
            roles=[function.execution_role],
            statements=[iam.PolicyStatement(actions=["iot:DescribeEndpoint"], resources=["*"])],
        )
        acknowledge(
            permission,
            {"AwsSolutions-IAM5[Resource::*]": "iot:DescribeEndpoint is authorized on no resource."},
        )
        provider = resource_provider(self, settings, on_event=function)
        lookup = CustomResource(
            self, "Lookup", resource_type="Custom::IotEndpoint", service_token=provider.service_token
        )
        lookup.node.add_dependency(permission)
        self.address: str = lookup.get_att_string("Address")
        """The endpoint's host name."""
