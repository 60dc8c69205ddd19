"""What the stack and the client must agree on: the names of outputs, of the marker attribute, of managed policies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pubsub_client.exceptions import ConfigurationError

MARKER_ATTRIBUTE = "pubsub_attachment"
"""The user pool's custom attribute that marks a user as attached, without Cognito's prefix ``custom:``."""

MANAGED_POLICIES = ("AWSIoTDataAccess", "AWSIoTConfigAccess")
"""What Amplify's guide attaches to the role of signed-in users."""


CHALLENGE_TRIGGERS = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
"""The triggers of the internal sign-in's challenge, by their names in a user pool's ``LambdaConfig``."""

TRIGGERS = ("PostAuthentication", *CHALLENGE_TRIGGERS)
"""Every trigger that attachment at sign-in takes."""


LEAST_PRIVILEGE = "least-privilege"
"""The access mode in which users have topics and client ids of their own, by their identity id."""


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
    """The patterns of topics that the IoT policy opens to everybody, with commas between them; if there are any."""
    ATTACHMENT_MARKER = "AttachmentMarker"
    """What a marked user's attribute begins with, before the identity id."""
    POST_AUTHENTICATION_FUNCTION_NAME = "PostAuthenticationFunctionName"
    AUTH_CHALLENGE_FUNCTION_NAME = "AuthChallengeFunctionName"
    """The function of the three challenge triggers; with the trigger's what a function on a chained trigger calls."""
    CHAINED_TRIGGERS = "ChainedTriggers"
    """The triggers of an adopted user pool whose own function calls ours, with commas between them."""
    RETRY_QUEUE_URL = "RetryQueueUrl"
    """The queue of attachments that a sign-in could not make."""
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    """The queue of attachments that somebody must look at."""
    SWEEP_STATE_MACHINE_ARN = "SweepStateMachineArn"
    """The state machine that looks at every identity."""
    DETACH_ALL_STATE_MACHINE_ARN = "DetachAllStateMachineArn"
    """The state machine that takes the policy off everybody."""
    SELF_ATTACH_URL = "SelfAttachUrl"
    """Where a signed-in user has the policy attached: the whole address of the route ``POST /self-attach``."""


SIGN_IN_OUTPUTS = frozenset(
    {
        Output.ATTACHMENT_MARKER,
        Output.POST_AUTHENTICATION_FUNCTION_NAME,
        Output.AUTH_CHALLENGE_FUNCTION_NAME,
        Output.RETRY_QUEUE_URL,
        Output.DEAD_LETTER_QUEUE_URL,
    }
)
"""Those of a stack that attaches at sign-in; one with the setting ``attachment: self-attach`` has none of them."""


OPTIONAL_OUTPUTS = frozenset({Output.CHAINED_TRIGGERS, Output.TOPICS})
"""Those that a stack has only if there is something to tell."""


def attaches_at_sign_in(outputs: Mapping[str, str]) -> bool:
    """Tell whether the outputs are those of a stack that attaches at sign-in, and not by self-attach alone."""
    return not SIGN_IN_OUTPUTS.isdisjoint(outputs)


def read_outputs(outputs: Mapping[str, str], *names: Output) -> tuple[str, ...]:
    """Return the values of outputs by their names.

    Raises:
        ConfigurationError: one is missing; told by name.
    """
    missing = [name for name in names if not outputs.get(name)]
    if missing:
        raise ConfigurationError(
            f"the outputs lack {', '.join(missing)}: give those of an Amplify PubSub stack, see `pubsub outputs`"
        )
    return tuple(outputs[name] for name in names)
