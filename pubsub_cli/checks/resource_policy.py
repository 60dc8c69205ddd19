"""Whom a function's own policy lets invoke it."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any


def allows_service(policy: Mapping[str, Any], service: str, source_arn: str) -> bool:
    """Return whether a function's policy lets a service invoke it for a resource.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    return any(_allows(statement, service, source_arn) for statement in policy["Statement"])


def _allows(statement: Mapping[str, Any], service: str, source_arn: str) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service") if isinstance(principal, dict) else principal
    conditions = statement.get("Condition", {})
    sources = [value for test in conditions.values() for key, value in test.items() if key.lower() == "aws:sourcearn"]
    return (
        statement["Effect"] == "Allow"
        and service in (services if isinstance(services, list) else [services])
        and all(fnmatch.fnmatchcase(source_arn, source) for source in sources)
    )
