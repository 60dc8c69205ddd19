"""A pytest plugin: tests of an application run against the real authorization on a local cloud.

The fixtures are in :mod:`pubsub_testing.fixtures`; tests that do not use them are not affected. This module contains
the types of the fixtures' values.
"""

from __future__ import annotations

from pubsub_testing.deployment import LocalDeployment, MakeSignedInUser, SignedInUser

__all__ = ["LocalDeployment", "MakeSignedInUser", "SignedInUser"]
