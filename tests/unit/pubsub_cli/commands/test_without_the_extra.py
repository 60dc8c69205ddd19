from __future__ import annotations

import subprocess
import sys


def test_without_the_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['rich'] = None; import pubsub_cli.commands"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "pubsub needs rich: pip install 'amplify-pubsub[cli]'\n"
