"""cfn-lint over synthesized templates, with the settings of ``.cfnlintrc``: any finding fails. It needs no network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_REPOSITORY = Path(__file__).parent.parent


def lint(templates: Sequence[Path]) -> int:
    """Check templates against CloudFormation's resource specification; cfn-lint prints what it finds.

    Returns:
        0 if there is no finding, neither an error nor a warning.
    """
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(cfn_lint), "--format", "parseable", "--", *map(str, templates)]
    return subprocess.run(command, cwd=_REPOSITORY, check=False).returncode
