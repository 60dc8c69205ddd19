"""Faults and the propagation delay as the address ``/_local_cloud/faults`` reads and writes them."""

from __future__ import annotations

from typing import Any

from local_cloud.faults.active import ACTIVE
from local_cloud.faults.fault import PROPAGATION_KEY, FaultError, fault_as_document, parse_fault, parse_seconds
from local_cloud.propagation import PROPAGATION


def read() -> dict[str, Any]:
    """Return what is set."""
    faults = [{"number": each.number, "taken": each.taken, **fault_as_document(each.fault)} for each in ACTIVE.listed()]
    return {"faults": faults, PROPAGATION_KEY: PROPAGATION.seconds}


def change(document: object) -> dict[str, Any]:
    """Set faults behind those that are set, the propagation delay, or both; all or, if anything is wrong, nothing.

    Raises:
        FaultError: what is wrong.
    """
    if not isinstance(document, dict):
        raise FaultError(f"body: allowed is an object with faults, {PROPAGATION_KEY} or both")
    if unknown := sorted(document.keys() - {"faults", PROPAGATION_KEY}):
        raise FaultError(f"{unknown[0]!r}: no such key; allowed are faults, {PROPAGATION_KEY}")
    given = document.get("faults", [])
    if not isinstance(given, list):
        raise FaultError("faults: allowed is a list of faults")
    faults = [parse_fault(each) for each in given]
    if PROPAGATION_KEY in document:
        PROPAGATION.seconds = parse_seconds(PROPAGATION_KEY, document[PROPAGATION_KEY])
    return {"numbers": ACTIVE.set(faults)}


def clear(query: dict[str, list[str]]) -> dict[str, Any]:
    """Clear one fault by its number, those of an operation, or with neither everything and the delay too.

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
        PROPAGATION.seconds = 0.0
    return read()
