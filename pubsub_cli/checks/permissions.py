"""What the requests of a front end come to: decided by AWS and by the documents, and told in one finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.arn import arn_prefix
from pubsub_cli.checks.context import Context
from pubsub_cli.iam.decision import Decision, Outcome
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.explanation import why
from pubsub_cli.iam.facts import Facts, signed_in_user
from pubsub_cli.iam.request import CONNECT, Request, requests
from pubsub_cli.iam.simulation import Answer
from pubsub_cli.iam.verdict import Verdict
from pubsub_client.outputs import Output

_NOT_ASKED = ("InvalidInput", "InvalidRequestException")
"""What AWS answers to a question that it does not take; the documents decide then."""


@dataclass(frozen=True)
class Judgement:
    """The verdicts on a front end's requests.

    Args:
        verdicts: one each.
        by: who has decided, for people.
        policies: what may allow.
        facts: what else is known of the requests.
    """

    verdicts: tuple[Verdict, ...]
    by: str
    policies: tuple[Policy, ...]
    facts: Facts

    @property
    def denied(self) -> list[Verdict]:
        """Those that are denied."""
        return [each for each in self.verdicts if each.outcome in {Outcome.EXPLICIT_DENY, Outcome.IMPLICIT_DENY}]

    @property
    def undecided(self) -> list[Verdict]:
        """Those that turn on what is not known."""
        return [each for each in self.verdicts if each.outcome is Outcome.UNDECIDED]

    @property
    def unknown(self) -> list[str]:
        """The condition keys and variables that the undecided turn on."""
        return list(dict.fromkeys(key for each in self.undecided for key in each.decision.unknown))

    @property
    def detail(self) -> str:
        """The figures next to a passed check: how many requests, who has decided, and where the two differ."""
        disagreements = dict.fromkeys(each.disagreement for each in self.verdicts if each.disagreement)
        topics = any(each.request.action != CONNECT for each in self.verdicts)
        asked = f"{len(self.verdicts)} requests" if topics else "connecting alone, for --topic is not given"
        return "; ".join([f"{asked}, by {self.by}", *filter(None, disagreements)])

    def text(self, verdicts: Sequence[Verdict]) -> str:
        """Return what cannot be done and why, requests with one reason together."""
        by_reason: dict[str, list[str]] = {}
        for each in verdicts:
            by_reason.setdefault(why(each, self.policies, self.facts), []).append(each.request.text)
        return "; ".join(f"{_listed(texts)}: {reason}" for reason, texts in by_reason.items())


def asked_requests(context: Context) -> list[Request]:
    """Return the requests that a run asks about; where nobody has said what topics users may use, connecting alone."""
    topics = context.requested_topics if context.topics_known else ()
    return requests(arn_prefix(context, "iot"), context.client_id, topics)


def asked_facts(context: Context, role_arn: str | None = None) -> Facts:
    """Return what is known of these requests besides.

    Args:
        context: the run.
        role_arn: the role whose policies are asked; None for IoT policies, which know no role.
    """
    return signed_in_user(
        context.output(Output.REGION),
        context.output(Output.IDENTITY_POOL_ID),
        user_pool_id=context.output(Output.USER_POOL_ID),
        identity_id=context.policy_identity_id,
        client_id=context.client_id,
        role_arn=role_arn,
    )


def judge(
    asked: Sequence[Request],
    decide: Callable[[Request], Decision],
    ask: Callable[[], Mapping[Request, Answer]] | None,
    policies: Sequence[Policy],
    facts: Facts,
) -> Judgement:
    """Decide on requests by the documents, and by AWS if it can be asked.

    Args:
        asked: what the front end asks.
        decide: decides by the documents.
        ask: asks AWS; None if there is nothing to ask it about.
        policies: what may allow.
        facts: what else is known of the requests.

    Raises:
        botocore.exceptions.ClientError: AWS fails otherwise than by not answering such a question.
    """
    answers: Mapping[Request, Answer] = {}
    by = "the documents"
    if ask:
        try:
            answers = ask()
            by = next((each.source for each in answers.values()), by)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if not is_not_permitted(error) and code not in _NOT_ASKED:
                raise
            by = f"the documents alone ({error.operation_name} answered {code})"
    verdicts = tuple(Verdict(each, decide(each), answers.get(each)) for each in asked)
    return Judgement(verdicts, by, tuple(policies), facts)


def _listed(texts: Sequence[str]) -> str:
    *most, last = dict.fromkeys(texts)
    return f"{', '.join(most)} and {last}" if most else last
