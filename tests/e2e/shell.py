"""Shells in which `pubsub` and `aws` are functions that have the test process run the command.

Starting the programs takes most of their time. A command with the variable `beside` is a process of its own.
"""

from __future__ import annotations

import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.aws_cli import run_aws
from tests.e2e.commands import run_pubsub

_FUNCTIONS = """
run_in_test() {{
    if [ "${{beside-}}" ]; then command "$@"; return; fi
    local connection input= code files
    case " $* " in *" --password-stdin "*) input=$(cat) ;; esac
    exec {{connection}}<>/dev/tcp/127.0.0.1/{port}
    {{ printf '%s\\0' "$input" "$PWD" "$#" "$@"; env -0; printf '\\0'; }} >&"$connection"
    read -r code files <&"$connection"
    cat "$files/stdout"
    cat "$files/stderr" >&2
    exec {{connection}}>&-
    return "$code"
}}
pubsub() {{ run_in_test pubsub "$@"; }}
aws() {{ run_in_test aws "$@"; }}
"""


@contextmanager
def programs() -> Iterator[str]:
    """Yield the functions for a script, and run their commands in this block."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Command) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield _FUNCTIONS.format(port=server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


class _Command(socketserver.StreamRequestHandler):
    """A command of the shell: its input, directory, arguments and environment."""

    def handle(self) -> None:
        stdin, directory = self._read(), self._read()
        program, *arguments = [self._read() for _ in range(int(self._read()))]
        environment = dict(each.split("=", 1) for each in iter(self._read, ""))
        if program == "aws":
            done = run_aws(arguments, environment)
        else:
            done = run_pubsub(arguments, environment, stdin, directory)
        with tempfile.TemporaryDirectory() as files:
            (Path(files) / "stdout").write_text(done.stdout)
            (Path(files) / "stderr").write_text(done.stderr)
            self.wfile.write(f"{done.returncode} {files}\n".encode())
            self.rfile.read()  # until the shell has read them and closes the connection

    def _read(self) -> str:
        """Return the next word, which ends with NUL."""
        word = bytearray()
        while (byte := self.rfile.read(1)) != b"\0":
            assert byte
            word += byte
        return word.decode()
