"""Why something could not be done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import AWS_ERRORS, explain
from pubsub_cli.finding import Finding, Fix, failed
from pubsub_client._printable import one_line


class OperationError(Exception):
    """It could not be done.

    Args:
        finding: the cause, the resource, and what to do next.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(" ".join(part for part in (one_line(finding.cause or ""), finding.fix) if part))
        self.finding = finding


def not_done(cause: str, *, resource: str, fix: Fix) -> OperationError:
    """Return the error for a cause of ours."""
    return OperationError(failed(cause, resource=resource, fix=fix))


@contextmanager
def aws_errors_explained(aws: Aws, subject: str) -> Iterator[None]:
    """Turn what calls to AWS raise in the block into what it means.

    Raises:
        PreconditionError: no credentials that AWS accepts, or no region.
        OperationError: AWS refused, or cannot be reached.
    """
    try:
        yield
    except AWS_ERRORS as error:
        raise OperationError(explain(error, aws, subject).with_options(aws.cli_options)) from error
