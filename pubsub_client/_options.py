"""Values that are given to a client, checked before anything is done with them."""

from __future__ import annotations

from pubsub_client.exceptions import ConfigurationError


def check(name: str, value: object, right: bool, wanted: str) -> None:
    """Refuse a value that is not right; told by name, with what is wanted.

    Raises:
        ConfigurationError: it is not.
    """
    if not right:
        raise ConfigurationError(f"{name} is {value!r}: give {wanted}")


def check_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number between two.

    Raises:
        ConfigurationError: it is none.
    """
    wanted = f"a whole number, {least} or more" if most is None else f"a whole number, {least} to {most}"
    check(name, value, isinstance(value, int) and least <= value and (most is None or value <= most), wanted)


def check_qos(qos: int) -> None:
    """Refuse a QoS other than 0 and 1.

    Raises:
        ConfigurationError: it is another.
    """
    if qos not in (0, 1):
        raise ConfigurationError(f"QoS {qos!r} is not supported: give 0 or 1")
