"""cdk-nag findings that stay, each with its reason, on the resource it is about."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledge findings on a construct.

    Args:
        construct: the construct the findings are about.
        reasons: the id of each finding, and why it stays.
    """
    findings = [Acknowledgment(id=finding, reason=reason) for finding, reason in reasons.items()]
    Validations.of(construct).acknowledge(*findings)
