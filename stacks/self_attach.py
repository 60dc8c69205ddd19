"""Self-attach: a route on which signed-in users have the IoT policy attached, with their own credentials."""

from __future__ import annotations

import json
from typing import cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_iam as iam
from constructs import Construct

from .acknowledgements import acknowledge
from .attaching_switch import AttachingSwitch
from .functions import PubSubFunction, delivered_log_group
from .identity_pool import Identities
from .iot_policy import IotPolicy
from .settings import Settings

_PATH = "/self-attach"
_STAGE = "$default"
# What Signature Version 4 sends in headers, and what a front end sends by itself.
_SIGNED_HEADERS = ["authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
# Who called is left out: an address is personal. integration.requestId is the one in the function's own log.
_ACCESS_LOG = {
    name: f"$context.{name}"
    for name in (
        "requestId",
        "requestTime",
        "routeKey",
        "status",
        "responseLatency",
        "integration.requestId",
        "integrationErrorMessage",
        "error.message",
        "authorizer.error",
    )
}


class SelfAttach(Construct):
    """An HTTP API with one route, its function, and the permission of signed-in users to call this route alone."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        switch: AttachingSwitch,
        identities: Identities,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = self._function(settings, policy, switch, identities)
        api = apigateway.HttpApi(
            self,
            "Api",
            api_name=Stack.of(self).stack_name,
            description="Attaches the IoT policy to the identity of the signed-in user who calls",
            create_default_stage=False,
            cors_preflight=apigateway.CorsPreflightOptions(
                allow_origins=settings.allow_origins,
                allow_methods=[apigateway.CorsHttpMethod.POST],
                allow_headers=_SIGNED_HEADERS,
                expose_headers=["retry-after"],
                max_age=Duration.hours(1),
            ),
        )
        api.add_routes(
            path=_PATH,
            methods=[apigateway.HttpMethod.POST],
            integration=integrations.HttpLambdaIntegration("Integration", self.function),
            authorizer=authorizers.HttpIamAuthorizer(),
        )
        self._stage(api, settings)
        self._let_users_call(api, identities)
        self.url: str = f"{api.api_endpoint}{_PATH}"
        """The route's address; on the local cloud with its own host and port."""

    def _function(
        self, settings: Settings, policy: IotPolicy, switch: AttachingSwitch, identities: Identities
    ) -> PubSubFunction:
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="self_attach.handler",
            description="Attaches the IoT policy to the identity that has signed the request",
            environment={
                **switch.environment,
                "IDENTITY_POOL_ID": identities.identity_pool_id,
                **identities.login_environment,
                "POLICY_NAME": policy.policy_name,
                "STACK_NAME": Stack.of(self).stack_name,
            },
            timeout=Duration.seconds(20),
            memory_size=512,
        )
        permission = iam.Policy(
            self,
            "Permission",
            roles=[function.execution_role],
            statements=[
                iam.PolicyStatement(actions=["iot:AttachPolicy", "iot:ListAttachedPolicies"], resources=["*"]),
                iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[switch.arn]),
            ],
        )
        acknowledge(
            permission,
            {"AwsSolutions-IAM5[Resource::*]": "Both are authorized on the target, and a Cognito identity has no ARN."},
        )
        # Gone before the policy is detached from everybody, so that nothing attaches it again meanwhile.
        function.node.add_dependency(policy)
        return function

    def _stage(self, api: apigateway.HttpApi, settings: Settings) -> None:
        # Shared with sign-ins, or in the place of trigger and worker. Who is told 429 tries again.
        per_second = settings.attach_per_second.self_attach(settings.attachment)
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=api,
            stage_name=_STAGE,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=per_second, burst_limit=2 * per_second),
        )
        access_logs = delivered_log_group(self, "AccessLogs", settings)
        resource = cast("apigateway.CfnStage", stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=access_logs.log_group_arn, format=json.dumps(_ACCESS_LOG)
        )

    def _let_users_call(self, api: apigateway.HttpApi, identities: Identities) -> None:
        """Allow the route and nothing else of the API: neither another method nor a route that may come later."""
        route = Stack.of(self).format_arn(
            service="execute-api",
            resource=api.api_id,
            resource_name=f"{_STAGE}/POST{_PATH}",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        iam.Policy(
            self,
            "Invocation",
            roles=identities.roles,
            statements=[iam.PolicyStatement(actions=["execute-api:Invoke"], resources=[route])],
        )
