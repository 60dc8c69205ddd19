"""For all tests: none reaches AWS, for the process has the environment of a child of the embedded cloud."""

from __future__ import annotations

import os

from hypothesis import settings

from local_cloud.environment import without_aws

_KEPT = without_aws(os.environ)
os.environ.clear()
os.environ.update(_KEPT)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")
