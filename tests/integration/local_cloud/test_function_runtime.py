"""The processes of Python functions, which are forked with the SDK."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_cloud.function_processes import FUNCTION_RUNTIME, ForkServer, FunctionProcess
from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import make_function

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="functions are forked on Linux")

_PARENT = "import os\ndef handler(event, context): return os.getppid()"
_WITH_THE_SDK = """
import boto3, botocore.compat
try:
    import awscrt
except ModuleNotFoundError as error:
    found = str(error)
def handler(event, context):
    return [found, botocore.compat.HAS_CRT]
"""
_PRINT = "import json, os, sys; print(json.dumps({}), flush=True)"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ForkServer]:
    """A fork server with the PYTHONPATH of the local cloud."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FUNCTION_RUNTIME))
        server = ForkServer()
        yield server
        server.end()


@contextmanager
def _started(server: ForkServer, directory: Path, source: str, **variables: str) -> Iterator[FunctionProcess]:
    script, code = directory / "script.py", directory / "code"
    script.write_text(source)
    code.mkdir(exist_ok=True)
    process = server.start(str(script), cwd=str(code), env={**os.environ, **variables})
    with process.stdin, process.stdout, process.stderr:
        yield process


def _evaluate(server: ForkServer, directory: Path, expression: str, **variables: str) -> Any:
    """Return the value of an expression in a new process."""
    with _started(server, directory, _PRINT.format(expression), **variables) as process:
        value, errors = process.stdout.read(), process.stderr.read()
        assert process.wait(10) == 0
    assert value, errors
    return json.loads(value)


def test_functions_of_a_cloud_are_forked_from_one_process(cloud: LocalCloud) -> None:
    lambda_ = cloud.client("lambda")
    parents = {
        json.loads(lambda_.invoke(FunctionName=make_function(cloud, _PARENT))["Payload"].read()) for _ in range(2)
    }
    assert len(parents) == 1
    assert cloud.pid not in parents


def test_function_has_the_sdk_without_the_awscrt_of_this_machine(cloud: LocalCloud) -> None:
    answer = cloud.client("lambda").invoke(FunctionName=make_function(cloud, _WITH_THE_SDK))
    found, has_crt = json.loads(answer["Payload"].read())
    assert "Lambda's Python runtime does not contain it" in found
    assert not has_crt


def test_process_has_the_sdk_and_its_own_variables_and_path(shared_server: ForkServer, tmp_path: Path) -> None:
    expression = "['boto3' in sys.modules, os.environ.get('OWN'), os.getcwd(), sys.path[:2], sys.argv, __name__]"
    value = _evaluate(shared_server, tmp_path, expression, OWN="value")
    path = [str(tmp_path), str(FUNCTION_RUNTIME)]
    assert value == [True, "value", str(tmp_path / "code"), path, [str(tmp_path / "script.py")], "__main__"]


def test_processes_share_no_modules_or_variables(shared_server: ForkServer, tmp_path: Path) -> None:
    _evaluate(shared_server, tmp_path, "[setattr(json, 'left', 1), os.environ.update(LEFT='1')]", ITS="1")
    assert _evaluate(shared_server, tmp_path, "[hasattr(json, 'left'), 'LEFT' in os.environ, 'ITS' in os.environ]") == [
        False,
        False,
        False,
    ]


def test_process_has_only_its_variables_streams_and_default_signals(tmp_path: Path) -> None:
    files = (
        "sorted(os.readlink(f'/proc/self/fd/{each}').partition(':')[0] for each in os.listdir('/proc/self/fd')[:-1])"
    )
    expression = f"['LEFT_OUT' in os.environ, {files}, __import__('signal').getsignal(2).__name__]"
    (tmp_path / "other").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEFT_OUT", "1")
        server = ForkServer()
        with _started(server, tmp_path / "other", "print('here', flush=True); input()") as running:
            assert running.stdout.readline() == "here\n"
            patch.delenv("LEFT_OUT")
            assert _evaluate(server, tmp_path, expression) == [False, ["pipe"] * 3, "default_int_handler"]
        server.end()


def test_function_with_its_own_sdk_imports_that(shared_server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "code" / "botocore").mkdir(parents=True)
    (tmp_path / "code" / "botocore" / "__init__.py").touch()
    file = "(sys.path.insert(0, os.getcwd()), __import__('botocore').__file__)[1]"
    assert _evaluate(shared_server, tmp_path, file) == str(tmp_path / "code" / "botocore" / "__init__.py")


def test_python_variables_of_a_function_take_effect(shared_server: ForkServer, tmp_path: Path) -> None:
    assert _evaluate(shared_server, tmp_path, "sys.flags.optimize", PYTHONOPTIMIZE="2") == 2


def test_process_ends_on_sigterm(shared_server: ForkServer, tmp_path: Path) -> None:
    with _started(shared_server, tmp_path, "print('here', flush=True); input()") as process:
        assert process.stdout.readline() == "here\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.terminate()
        assert process.wait(10) == process.poll() == 0


def test_process_can_be_killed_while_another_thread_waits(shared_server: ForkServer, tmp_path: Path) -> None:
    with (
        _started(shared_server, tmp_path, "print('here', flush=True); input()") as process,
        ThreadPoolExecutor(1) as background,
    ):
        assert process.stdout.readline() == "here\n"
        waiting = background.submit(process.wait)
        process.kill()
        assert waiting.result(10) == 0


def test_environment_can_be_larger_than_a_socket_message(shared_server: ForkServer, tmp_path: Path) -> None:
    large = {f"LARGE_{number}": "x" * 100_000 for number in range(5)}
    assert _evaluate(shared_server, tmp_path, "len(os.environ['LARGE_4'])", **large) == 100_000


def test_process_without_wait_does_not_affect_others(tmp_path: Path) -> None:
    server = ForkServer()
    fork_server = _evaluate(server, tmp_path, "os.getppid()")
    with _started(server, tmp_path, "print('here', flush=True); input()") as process:
        assert process.stdout.readline() == "here\n"  # it has read the script, which the next process overwrites
        with _started(server, tmp_path, "print('here', flush=True); input()") as forgotten:
            assert forgotten.stdout.readline() == "here\n"
            left, its_input = forgotten.pid, os.dup(forgotten.stdin.fileno())
        del forgotten
        gc.collect()
        os.close(its_input)
        while Path(f"/proc/{left}").exists():
            assert process.poll() is None
        assert _evaluate(server, tmp_path, "os.getppid()") == fork_server
        assert process.poll() is None
    server.end()


def test_killed_fork_server_is_replaced_and_its_processes_continue(tmp_path: Path) -> None:
    server = ForkServer()
    source = "import os, signal; input(); os.kill(os.getppid(), 9); print('killed', flush=True); print(input())"
    with _started(server, tmp_path, source) as process:
        process.stdin.write("\n")  # the fork server has answered already, so it does not start the process again
        assert process.stdout.readline() == "killed\n"
        assert _evaluate(server, tmp_path, "1") == 1
        process.stdin.write("continues\n")
        assert process.stdout.read() == "continues\n"
        assert process.wait(10) == 0
    server.end()
