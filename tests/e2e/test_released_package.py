"""What is released: one wheel, used in a clean environment, where nothing of this repository is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from deployment.cdk_cli import cdk_command
from local_cloud.environment import without_aws
from local_cloud.process import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REPOSITORY = Path(__file__).parents[2]
_LEFT_BEHIND = shutil.ignore_patterns(
    ".*", "node_modules", "cdk.out", "__pycache__", "build", "dist", "*.egg-info", "tests", "bench"
)
_NO_CACHES = shutil.ignore_patterns("__pycache__", ".*", "cdk.out")
_INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel and what it asks for, and nothing else."""

    directory: Path

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    def run(self, *command: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        given = without_aws(os.environ) if env is None else env
        kept = {name: value for name, value in given.items() if not name.startswith(("PYTHON", "PYTEST"))}
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(command, cwd=cwd, env=kept | {"PATH": path}, capture_output=True, text=True, check=False)

    def pytest(self, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-m", "pytest", "-q", *arguments, cwd=project)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("released")
    shutil.copytree(_REPOSITORY, directory / "sources", ignore=_LEFT_BEHIND)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory)]
    done = subprocess.run(command, cwd=directory / "sources", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = directory.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return _install(tmp_path_factory.mktemp("clean") / "venv", f"{wheel}[pytest]")


def _install(directory: Path, *wanted: str) -> Installed:
    uv = str(Path(sys.executable).with_name("uv"))
    into = ["--python", str(directory / "bin" / "python"), "--constraint", str(_REPOSITORY / "requirements-dev.txt")]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(directory)],
        [uv, "pip", "install", "--quiet", *into, *wanted],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 and "error sending request" in done.stderr and not os.environ.get("CI"):
            pytest.skip("the packages of the environment are neither in uv's cache nor can be fetched")
        assert done.returncode == 0, done.stderr
    return Installed(directory)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An application's directory, which has the settings of its pytest alone."""
    (tmp_path / "pytest.ini").write_text(_INI)
    return tmp_path


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, away from the repository."""
    directory = tmp_path_factory.mktemp("example") / "cdk-app"
    shutil.copytree(_REPOSITORY / "examples" / "cdk-app", directory, ignore=_NO_CACHES)
    return directory


def _told(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def test_the_wheel_has_every_file_of_the_folders_and_nothing_else(wheel: Path) -> None:
    folders = {
        "amplify_pubsub/lambdas": "lambdas",
        "amplify_pubsub": "stacks",
        **{each: each for each in ("local_cloud", "pubsub_client", "pubsub_testing")},
    }
    files = {
        f"{name}/{file.relative_to(_REPOSITORY / folder)}"
        for name, folder in folders.items()
        for file in (_REPOSITORY / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    packed = {each for each in ZipFile(wheel).namelist() if ".dist-info/" not in each}
    assert packed == files


def test_everything_comes_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    script = (
        "import amplify_pubsub.functions, local_cloud, pubsub_client, pubsub_testing\n"
        "print(amplify_pubsub.functions._CODE)\n"
        "for each in (amplify_pubsub, local_cloud, pubsub_client, pubsub_testing): print(each.__file__)"
    )
    done = installed.run("python", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, _told(done)
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all(Path(each).is_relative_to(installed.directory) for each in lines), lines


def test_the_embedded_clouds_own_commands_are_there(installed: Installed, tmp_path: Path) -> None:
    shown = installed.run("python", "-m", "local_cloud", "--help", cwd=tmp_path).stdout
    commands = set(re.findall(r"^[^a-z]*([a-z]+)  ", shown, re.MULTILINE))
    assert {"up", "down", "status", "fault"} <= commands
    assert not commands & {"deploy", "demo", "rehearse"}


def test_a_project_that_asks_for_no_fixture_pays_nothing(installed: Installed, project: Path) -> None:
    (project / "test_plain.py").write_text(
        "import sys\n\n\ndef test_nothing_is_loaded():\n"
        "    assert not {'aws_cdk', 'boto3', 'ministack', 'pubsub_client'} & sys.modules.keys()\n"
    )
    done = installed.pytest(project)
    assert done.returncode == 0, _told(done)


def test_without_the_extra_it_is_in_nobodys_way(wheel: Path, project: Path, tmp_path: Path) -> None:
    (project / "pytest.ini").unlink()
    (project / "test_plain.py").write_text("def test_nothing():\n    pass\n\n\ndef test_one(pubsub):\n    pass\n")
    done = _install(tmp_path / "venv", str(wheel), "pytest").pytest(project, "--ignore", "venv")
    assert "1 passed, 1 error" in done.stdout, _told(done)
    assert "fixture 'pubsub' not found" in done.stdout


def test_what_the_documentation_shows_runs_on_one_cloud(installed: Installed, project: Path) -> None:
    page = (_REPOSITORY / "docs" / "testing.md").read_text()
    files = re.findall(r"```python\n# (tests/\w+\.py)\n(.*?)```", page, re.DOTALL)
    assert len(files) == page.count("```python")
    assert _INI in page
    for name, code in files:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(code)
    done = installed.pytest(project)
    assert done.returncode == 0, _told(done)
    assert "3 passed" in done.stdout


def test_later_run_starts_from_the_saved_deployment_unless_it_is_damaged(installed: Installed, project: Path) -> None:
    (project / "test_it.py").write_text(
        "from pathlib import Path\n\n\ndef test_it(local_cloud, signed_in_user):\n"
        "    created = local_cloud.cloud.calls().get('cloudformation:CreateStack', 0)\n"
        "    Path('created').write_text(str(created))\n"
    )

    def stacks_created() -> int:
        done = installed.pytest(project)
        assert done.returncode == 0, _told(done)
        return int((project / "created").read_text())

    assert (stacks_created(), stacks_created()) == (1, 0)
    (state,) = (project / ".pytest_cache" / "d" / "pubsub-deployments").iterdir()
    (state / "services" / "iot.json").write_text("{}")
    assert stacks_created() == 1


@pytest.mark.parametrize(
    ("fixture", "value", "message"),
    [
        (
            "pubsub_settings",
            "{'topics': ['orders/#']}",
            "fixture pubsub_settings: amplify-pubsub.topics.0: 'orders/#' given",
        ),
        ("pubsub_app", "Path('/nowhere')", "fixture pubsub_app: /nowhere/cdk.json names no app: "),
    ],
)
def test_a_wrong_override_is_told_in_a_line(
    installed: Installed, project: Path, fixture: str, value: str, message: str
) -> None:
    (project / "conftest.py").write_text(
        "from pathlib import Path\n\nimport pytest\n\n\n"
        f"@pytest.fixture(scope='session')\ndef {fixture}():\n    return {value}\n"
    )
    (project / "test_it.py").write_text("def test_it(local_cloud):\n    pass\n")
    done = installed.pytest(project)
    assert done.returncode == 1, _told(done)
    assert message in done.stdout
    assert "Traceback" not in done.stdout


def test_the_examples_own_tests_pass_on_its_own_stack(installed: Installed, example: Path) -> None:
    done = installed.pytest(example)
    assert done.returncode == 0, _told(done)
    assert "3 passed" in done.stdout


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud.start(log_file=tmp_path_factory.mktemp("cloud") / "log") as started:
        yield started


def test_the_example_is_deployed_by_the_cdk_cli_proven_and_destroyed(
    installed: Installed, example: Path, cloud: LocalCloud
) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        done = installed.run(*command, cwd=example, env=cloud.environment())
        assert done.returncode == 0, _told(done)
        return done

    run(*cdk_command("bootstrap", f"aws://{cloud.account_id}/{cloud.region}"))
    run(*cdk_command("deploy", "--require-approval", "never"))
    report = json.loads(run("pubsub", "smoke", "--stack", "Orders", "--json", "--timeout", "30").stdout)
    status = {each["id"]: each["status"] for each in report["checks"]}
    assert status["PS501"] == status["PS413"] == status["PS312"] == "passed"
    assert "failed" not in status.values()
    assert "nothing is wrong" in run("pubsub", "doctor", "--stack", "Orders").stdout
    run(*cdk_command("destroy", "--force"))
    assert cloud.client("iot").list_policies()["policies"] == []
