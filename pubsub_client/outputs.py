"""What the stack and the client must agree on: names of outputs and of the marker attribute, and what users may do."""

from __future__ import annotations

from enum import StrEnum

MARKER_ATTRIBUTE = "pubsub_attachment"
"""The user pool's custom attribute that marks a user as attached, without Cognito's prefix ``custom:``."""

MANAGED_POLICIES = ("AWSIoTDataAccess", "AWSIoTConfigAccess")
"""What Amplify's guide attaches to the role of signed-in users."""

FULL_TOPIC_ACCESS = {
    "client": ["iot:Connect"],
    "topic": ["iot:Publish", "iot:Receive", "iot:RetainPublish"],
    "topicfilter": ["iot:Subscribe"],
}
"""What the IoT policy allows, by kind of resource, on every resource of the kind in the account and region."""


class Output(StrEnum):
    """The names of the CloudFormation outputs. Users' scripts rely on them: add, never rename."""

    REGION = "Region"
    USER_POOL_ID = "UserPoolId"
    USER_POOL_CLIENT_ID = "UserPoolClientId"
    IDENTITY_POOL_ID = "IdentityPoolId"
    PUBSUB_ENDPOINT = "PubSubEndpoint"
    """The AWS IoT endpoint: a bare host; only the embedded cloud's carries a port."""
    POLICY_NAME = "PolicyName"
    AUTH_ROLE_ARN = "AuthRoleArn"
    ACCESS_MODE = "AccessMode"
    ATTACHMENT_MARKER = "AttachmentMarker"
    """What a marked user's attribute begins with, before the identity id."""
    POST_AUTHENTICATION_FUNCTION_NAME = "PostAuthenticationFunctionName"
