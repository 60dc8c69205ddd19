"""Self-attach: an HTTP route that attaches the IoT policy to the identity of the signed-in user who calls it."""

from __future__ import annotations

import json
from typing import cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_iam as iam
from constructs import Construct

from .functions import IDENTITY_TARGETS, PubSubFunction, suppress_nag, vended_log_group
from .identity_pool import IdentityPoolResources
from .iot_policy import IotPolicy
from .settings import Settings

_PATH = "/self-attach"
_STAGE = "$default"
# The headers of Signature Version 4, and the content type that front ends send.
_SIGNED_HEADERS = ["authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
# Without the caller, because an IP address is personal data. The function's log has integration.requestId.
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
    """An HTTP API with one route, its function, and the permission of signed-in users to call the route."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        policy: IotPolicy,
        identity_pool: IdentityPoolResources,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = self._function(settings, policy, identity_pool)
        api = apigateway.HttpApi(
            self,
            "Api",
            api_name=Stack.of(self).stack_name,
            description="Attaches the IoT policy to the identity of the caller",
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
        self._let_users_call(api, identity_pool)
        self.url: str = f"{api.api_endpoint}{_PATH}"

    def _function(self, settings: Settings, policy: IotPolicy, identity_pool: IdentityPoolResources) -> PubSubFunction:
        function = PubSubFunction(
            self,
            "Function",
            settings=settings,
            handler="self_attach.handler",
            description="Attaches the IoT policy to the identity that signed the request",
            environment={
                **policy.pause.environment,
                "IDENTITY_POOL_ID": identity_pool.identity_pool_id,
                **identity_pool.login_environment,
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
                iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[policy.pause.parameter_arn]),
            ],
        )
        suppress_nag(permission, IDENTITY_TARGETS)
        # CloudFormation deletes the function before it detaches the policy, so that nothing attaches it again.
        function.node.add_dependency(policy)
        return function

    def _stage(self, api: apigateway.HttpApi, settings: Settings) -> None:
        # The client retries after status 429.
        per_second = settings.attach_per_second.self_attach(settings.attachment)
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=api,
            stage_name=_STAGE,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=per_second, burst_limit=2 * per_second),
        )
        access_logs = vended_log_group(self, "AccessLogs", settings)
        resource = cast("apigateway.CfnStage", stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=access_logs.log_group_arn, format=json.dumps(_ACCESS_LOG)
        )

    def _let_users_call(self, api: apigateway.HttpApi, identity_pool: IdentityPoolResources) -> None:
        """Allow no other method or route of the API."""
        route = Stack.of(self).format_arn(
            service="execute-api",
            resource=api.api_id,
            resource_name=f"{_STAGE}/POST{_PATH}",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        iam.Policy(
            self,
            "Invocation",
            roles=identity_pool.roles,
            statements=[iam.PolicyStatement(actions=["execute-api:Invoke"], resources=[route])],
        )
