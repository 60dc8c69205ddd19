"""Names that the stack and its clients share: outputs, the marker attribute, managed policies and triggers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pubsub_client.exceptions import ConfigurationError

MARKER_ATTRIBUTE = "pubsub_attachment"
"""The user pool attribute with the marker, without Cognito's prefix ``custom:``."""

MANAGED_POLICIES = ("AWSIoTDataAccess", "AWSIoTConfigAccess")
"""The managed policies that Amplify's guide attaches to the role of signed-in users."""

CHALLENGE_TRIGGERS = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
"""The keys in a user pool's ``LambdaConfig`` of the triggers that run the internal sign-in's challenge."""

TRIGGERS = ("PostAuthentication", *CHALLENGE_TRIGGERS)
"""All triggers of attachment at sign-in."""


AttachmentMode = Literal["sign-in", "self-attach"]
"""The values of the setting ``attachment``."""

AccessMode = Literal["guarded", "unguarded", "least-privilege"]
"""The values of the setting ``accessMode`` and of the output."""

LEAST_PRIVILEGE: AccessMode = "least-privilege"
"""The access mode in which a user's topics and client ids begin with the identity id."""


class Output(StrEnum):
    """The names of the CloudFormation outputs. Scripts of users depend on them, so they must not change."""

    REGION = "Region"
    USER_POOL_ID = "UserPoolId"
    USER_POOL_CLIENT_ID = "UserPoolClientId"
    IDENTITY_POOL_ID = "IdentityPoolId"
    PUBSUB_ENDPOINT = "PubSubEndpoint"
    """The host of the AWS IoT endpoint; with a port only in the local cloud."""
    POLICY_NAME = "PolicyName"
    AUTH_ROLE_ARN = "AuthRoleArn"
    ACCESS_MODE = "AccessMode"
    """One of :data:`AccessMode`."""
    TOPICS = "Topics"
    """The patterns of topics that the IoT policy allows to all users, separated by commas."""
    ATTACHMENT_MARKER = "AttachmentMarker"
    """The beginning of a current marker, before the identity id."""
    POST_AUTHENTICATION_FUNCTION_NAME = "PostAuthenticationFunctionName"
    AUTH_CHALLENGE_FUNCTION_NAME = "AuthChallengeFunctionName"
    """The function of the three challenge triggers, which a function on a chained trigger calls."""
    CHAINED_TRIGGERS = "ChainedTriggers"
    """The triggers of an adopted user pool that keep their own function, which calls ours; separated by commas."""
    RETRY_QUEUE_URL = "RetryQueueUrl"
    """The queue of pending attachments."""
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    """The queue of attachments that failed permanently."""
    SWEEP_STATE_MACHINE_ARN = "SweepStateMachineArn"
    """The state machine of the sweep, which checks all identities."""
    DETACH_ALL_STATE_MACHINE_ARN = "DetachAllStateMachineArn"
    """The state machine of bulk detachment."""
    SELF_ATTACH_URL = "SelfAttachUrl"
    """The URL of the route ``POST /self-attach``."""


SIGN_IN_OUTPUTS = frozenset(
    {
        Output.ATTACHMENT_MARKER,
        Output.POST_AUTHENTICATION_FUNCTION_NAME,
        Output.AUTH_CHALLENGE_FUNCTION_NAME,
        Output.RETRY_QUEUE_URL,
        Output.DEAD_LETTER_QUEUE_URL,
    }
)
"""The outputs that a stack has only if it attaches at sign-in, and not with ``attachment: self-attach``."""

OPTIONAL_OUTPUTS = frozenset({Output.CHAINED_TRIGGERS, Output.TOPICS})
"""The outputs that depend on other settings."""


def attaches_at_sign_in(outputs: Mapping[str, str]) -> bool:
    """Return whether the stack with these outputs attaches at sign-in, and not only by self-attach."""
    return not SIGN_IN_OUTPUTS.isdisjoint(outputs)


def require_outputs(outputs: Mapping[str, str], *names: Output) -> tuple[str, ...]:
    """Return the values of these outputs.

    Raises:
        ConfigurationError: outputs are missing.
    """
    missing = [name for name in names if not outputs.get(name)]
    if missing:
        raise ConfigurationError(
            f"the outputs lack {', '.join(missing)}; pass the outputs of an Amplify PubSub stack, see `pubsub outputs`"
        )
    return tuple(outputs[name] for name in names)
