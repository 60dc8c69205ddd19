"""A pytest plugin: tests of an application run against the real authorization, on a cloud inside this machine.

It offers the fixtures of :mod:`pubsub_testing.fixtures`, and does nothing for tests that ask for none of them. These
are the types of what they give.
"""

from __future__ import annotations

from pubsub_testing.deployment import LocalDeployment, MakeSignedInUser, SignedInUser

__all__ = ["LocalDeployment", "MakeSignedInUser", "SignedInUser"]
