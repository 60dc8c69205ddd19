"""Requests count as having come by TLS, as they do at every AWS endpoint a client meets.

ministack serves plain HTTP here, and the policy of the CDK's staging bucket refuses what did not come by TLS.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
"""

from __future__ import annotations

from ministack import app

NEEDS = {app: ("pin_request_origin",)}


def install() -> None:
    """Make ``aws:SecureTransport`` true for every request; addresses in answers stay ``http`` and work."""
    pin = app.pin_request_origin

    def pin_request_origin(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001
        pin(source_ip, True)

    app.pin_request_origin = pin_request_origin
