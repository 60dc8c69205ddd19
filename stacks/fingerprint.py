"""What stands for something that is there already, in logical ids: another thing has another one."""

from __future__ import annotations

import hashlib
import json

from aws_cdk import Stack
from constructs import IConstruct


def fingerprint(scope: IConstruct, reference: str) -> str:
    """Return what stands for an id or ARN, or for the reference to it where another construct makes the thing."""
    return hashlib.sha256(json.dumps(Stack.of(scope).resolve(reference)).encode()).hexdigest()[:12]
