"""No test reaches AWS: from collection on, the process has the environment of a child of the embedded cloud."""

from __future__ import annotations

import os

from local_cloud.environment import without_aws

_KEPT = without_aws(os.environ)
os.environ.clear()
os.environ.update(_KEPT)
