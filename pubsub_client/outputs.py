"""The contract of stack and client: the names of outputs, of the marker attribute, of managed policies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pubsub_client.exceptions import ConfigurationError

MARKER_ATTRIBUTE = "pubsub_attachment"
"""The user pool's custom attribute that marks an attached user, without Cognito's prefix ``custom:``."""

MANAGED_POLICIES = ("AWSIoTDataAccess", "AWSIoTConfigAccess")
"""The managed policies that Amplify's guide attaches to the role of signed-in users."""


CHALLENGE_TRIGGERS = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
"""The triggers of the internal sign-in's challenge, by their names in a user pool's ``LambdaConfig``."""

TRIGGERS = ("PostAuthentication", *CHALLENGE_TRIGGERS)
"""All triggers of attachment at sign-in."""


LEAST_PRIVILEGE = "least-privilege"
"""The access mode in which users have their own topics and client ids, by identity id."""


class Output(StrEnum):
    """The names of the CloudFormation outputs. Users' scripts rely on them: add, never rename."""

    REGION = "Region"
    USER_POOL_ID = "UserPoolId"
    USER_POOL_CLIENT_ID = "UserPoolClientId"
    IDENTITY_POOL_ID = "IdentityPoolId"
    PUBSUB_ENDPOINT = "PubSubEndpoint"
    """The AWS IoT endpoint: a bare host; only the local cloud's carries a port."""
    POLICY_NAME = "PolicyName"
    AUTH_ROLE_ARN = "AuthRoleArn"
    ACCESS_MODE = "AccessMode"
    """``guarded``, ``unguarded`` or ``least-privilege``."""
    TOPICS = "Topics"
    """The patterns of topics that the IoT policy opens to all users, separated by commas; if there are any."""
    ATTACHMENT_MARKER = "AttachmentMarker"
    """The beginning of a marked user's attribute, before the identity id."""
    POST_AUTHENTICATION_FUNCTION_NAME = "PostAuthenticationFunctionName"
    AUTH_CHALLENGE_FUNCTION_NAME = "AuthChallengeFunctionName"
    """The function of the three challenge triggers, which a function on a chained trigger calls."""
    CHAINED_TRIGGERS = "ChainedTriggers"
    """The triggers of an adopted user pool whose own function calls ours, separated by commas."""
    RETRY_QUEUE_URL = "RetryQueueUrl"
    """The queue of pending attachments."""
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    """The queue of attachments that an operator must check."""
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
"""The outputs of a stack that attaches at sign-in; with the setting ``attachment: self-attach`` it has none of them."""


OPTIONAL_OUTPUTS = frozenset({Output.CHAINED_TRIGGERS, Output.TOPICS})
"""The outputs that a stack may lack."""


def attaches_at_sign_in(outputs: Mapping[str, str]) -> bool:
    """Return whether the outputs are those of a stack that attaches at sign-in, and not only by self-attach."""
    return not SIGN_IN_OUTPUTS.isdisjoint(outputs)


def read_outputs(outputs: Mapping[str, str], *names: Output) -> tuple[str, ...]:
    """Return the values of outputs by their names.

    Raises:
        ConfigurationError: one is missing; the error names it.
    """
    missing = [name for name in names if not outputs.get(name)]
    if missing:
        raise ConfigurationError(
            f"the outputs lack {', '.join(missing)}: give those of an Amplify PubSub stack, see `pubsub outputs`"
        )
    return tuple(outputs[name] for name in names)
