"""Faults, the propagation delays and the credentials' lifetime as ``/_local_cloud/faults`` reads and writes them."""

from __future__ import annotations

from typing import Any

from local_cloud.credentials_lifetime import LIFETIME, CredentialsLifetime
from local_cloud.execution_consistency import CONSISTENCY, ExecutionConsistency
from local_cloud.faults.active import ACTIVE
from local_cloud.faults.fault import (
    AN_HOUR,
    CREDENTIALS_KEY,
    EXECUTIONS_KEY,
    PERMISSIONS_KEY,
    PROPAGATION_KEY,
    FaultError,
    fault_as_document,
    parse_fault,
    parse_seconds,
)
from local_cloud.permission_propagation import PERMISSIONS, PermissionPropagation
from local_cloud.propagation import PROPAGATION, Propagation

_TIMES: dict[str, Propagation | PermissionPropagation | ExecutionConsistency | CredentialsLifetime] = {
    PROPAGATION_KEY: PROPAGATION,
    PERMISSIONS_KEY: PERMISSIONS,
    EXECUTIONS_KEY: CONSISTENCY,
    CREDENTIALS_KEY: LIFETIME,
}
_ALLOWED = ", ".join(["faults", *_TIMES])


def read() -> dict[str, Any]:
    """Return what is set."""
    faults = [{"number": each.number, "taken": each.taken, **fault_as_document(each.fault)} for each in ACTIVE.listed()]
    return {"faults": faults} | {key: time.seconds for key, time in _TIMES.items()}


def change(document: object) -> dict[str, Any]:
    """Set faults behind those that are set, the delays, the lifetime; all or, if anything is wrong, nothing.

    Raises:
        FaultError: what is wrong.
    """
    if not isinstance(document, dict):
        raise FaultError(f"body: allowed is an object with any of {_ALLOWED}")
    if unknown := sorted(document.keys() - {"faults", *_TIMES}):
        raise FaultError(f"{unknown[0]!r}: no such key; allowed are {_ALLOWED}")
    given = document.get("faults", [])
    if not isinstance(given, list):
        raise FaultError("faults: allowed is a list of faults")
    faults = [parse_fault(each) for each in given]
    seconds = {key: parse_seconds(key, document[key]) for key in _TIMES if key in document}
    for key, value in seconds.items():
        _TIMES[key].seconds = value
    return {"numbers": ACTIVE.set(faults)}


def clear(query: dict[str, list[str]]) -> dict[str, Any]:
    """Clear one fault by its number, those of an operation, or with neither everything, delays and lifetime too.

    Raises:
        FaultError: the query asks for something else.
    """
    if unknown := sorted(query.keys() - {"number", "operation"}):
        raise FaultError(f"{unknown[0]!r}: no such key; allowed are number, operation")
    number = query.get("number", [None])[0]
    if number is not None and not (number.isascii() and number.isdigit()):
        raise FaultError("number: allowed is the number of a fault")
    ACTIVE.clear(number=None if number is None else int(number), operation=query.get("operation", [None])[0])
    if not query:
        PROPAGATION.seconds = PERMISSIONS.seconds = CONSISTENCY.seconds = 0.0
        LIFETIME.seconds = AN_HOUR
    return read()
