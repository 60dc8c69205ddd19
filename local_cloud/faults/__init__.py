"""Faults on demand: an operation of the local cloud fails, is throttled, is late, hangs, or answers nonsense."""

from local_cloud.faults.fault import Delay, Effect, Fail, Fault, FaultError, Hang, Malformed, SetFault, Throttle

__all__ = [
    "Delay",
    "Effect",
    "Fail",
    "Fault",
    "FaultError",
    "Hang",
    "Malformed",
    "SetFault",
    "Throttle",
]
