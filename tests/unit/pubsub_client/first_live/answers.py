"""What the checks of a smoke test say, made up as AWS would have them say it."""

from __future__ import annotations

from pubsub_client.checks.check import Status
from pubsub_client.first_live.assumption import Assumption, assumptions
from pubsub_client.first_live.verdict import Answer

ATTACHED_LATE = (
    "myIoTPolicy was attached 4.0 s after the tokens had arrived, not at sign-in: a user who connects at once is "
    "refused. The trigger T says: Queued, {}. The retry queue's worker tries again."
)
BOUNDED = "no permissions boundary allows the iot:AttachPolicy action"
DENIED = "with an explicit deny in an identity-based policy: arn:aws:iam::<account id>:policy/Guard"


def passed(text: str = "") -> Answer:
    return Answer(Status.PASSED, text)


def warned(text: str) -> Answer:
    return Answer(Status.WARNING, text)


def failed(text: str) -> Answer:
    return Answer(Status.FAILED, text)


def skipped(text: str) -> Answer:
    return Answer(Status.SKIPPED, text)


HEALTHY = {
    "PS112": passed("AmplifyPubSub-Trigger"),
    "PS117": passed("AmplifyPubSub-Challenge"),
    "PS118": passed(),
    "PS119": passed(),
    "PS124": passed("it said Attached at 12:00:01 UTC, since this sign-in began"),
    "PS202": passed(),
    "PS203": passed("myIoTPolicy"),
    "PS204": passed("PS203: no IoT policy was attached, repaired"),
    "PS301": passed("boundary AmplifyPubSub-Boundary"),
    "PS303": passed("no user gets a group's role"),
    "PS306": passed("8 requests, by SimulatePrincipalPolicy"),
    "PS307": passed("8 requests, by TestAuthorization"),
    "PS312": passed(f"{BOUNDED}; no permissions boundary allows the iot:CreatePolicyVersion action"),
    "PS401": passed("attempt 9"),
    "PS403": passed("no group has a role"),
    "PS405": passed("within a few seconds, by the endpoint's answer"),
    "PS412": passed("it was closed without an answer. If that happens each time, it is denied"),
    "PS413": passed("the setting topics opens all of them to everybody"),
    "PS501": passed("1.0 s after the sign-in began"),
    "PS602": passed(),
}
"""A stack that attaches at sign-in, without groups, on an AWS that is as assumed."""


def numbered(number: int) -> Assumption:
    return next(each for each in assumptions() if each.number == number)
