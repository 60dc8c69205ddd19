"""The wheel in a clean virtual environment, without this repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from local_cloud.environment import without_aws

_REPOSITORY = Path(__file__).parents[2]
_LEFT_BEHIND = shutil.ignore_patterns(
    ".*", "node_modules", "cdk.out", "__pycache__", "build", "dist", "*.egg-info", "tests", "benchmarks"
)
_NO_CACHES = shutil.ignore_patterns("__pycache__", ".*", "cdk.out")
_INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with only the wheel and its requirements."""

    directory: Path

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value for name, value in without_aws(os.environ).items() if not name.startswith(("PYTHON", "PYTEST"))
        }
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
    directory = tmp_path_factory.mktemp("clean") / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    into = ["--python", str(directory / "bin" / "python"), "--constraint", str(_REPOSITORY / "requirements-dev.txt")]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(directory)],
        [uv, "pip", "install", "--quiet", *into, f"{wheel}[pytest]"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 and "error sending request" in done.stderr and not os.environ.get("CI"):
            pytest.skip("the packages of the environment are neither in uv's cache nor can be fetched")
        assert done.returncode == 0, done.stderr
    return Installed(directory)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project directory that contains only pytest settings."""
    (tmp_path / "pytest.ini").write_text(_INI)
    return tmp_path


def _output(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def test_wheel_contains_exactly_the_files_of_the_packages(wheel: Path) -> None:
    folders = {
        "amplify_pubsub/lambdas": "lambdas",
        "amplify_pubsub": "stacks",
        **{each: each for each in ("local_cloud", "pubsub_cli", "pubsub_client", "pubsub_testing")},
    }
    files = {
        f"{name}/{file.relative_to(_REPOSITORY / folder)}"
        for name, folder in folders.items()
        for file in (_REPOSITORY / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    packed = {each for each in ZipFile(wheel).namelist() if ".dist-info/" not in each}
    assert packed == files


def test_plugin_loads_nothing_without_its_fixtures(installed: Installed, project: Path) -> None:
    (project / "test_plain.py").write_text(
        "import sys\n\n\ndef test_nothing_is_loaded():\n"
        "    assert not {'aws_cdk', 'boto3', 'ministack', 'pubsub_client'} & sys.modules.keys()\n"
    )
    done = installed.pytest(project)
    assert done.returncode == 0, _output(done)


def test_plugin_without_the_extra_has_no_fixtures(installed: Installed, project: Path) -> None:
    (project / "test_plain.py").write_text("def test_nothing():\n    pass\n\n\ndef test_one(pubsub):\n    pass\n")
    without = "import sys; sys.modules['ministack'] = None; import pytest; sys.exit(pytest.main(['-q']))"
    done = installed.run("python", "-c", without, cwd=project)
    assert "1 passed, 1 error" in done.stdout, _output(done)
    assert "fixture 'pubsub' not found" in done.stdout


def test_documented_tests_pass_and_reuse_the_saved_deployment(installed: Installed, project: Path) -> None:
    page = (_REPOSITORY / "docs" / "reference" / "constructs-and-testing.md").read_text()
    files = re.findall(r"```python\n# (tests/\w+\.py)\n(.*?)```", page, re.DOTALL)
    assert len(files) == page.partition("## Testing\n")[2].count("```python")
    assert _INI in page
    for name, code in files:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(code)
    (project / "tests" / "test_calls.py").write_text(
        "from pathlib import Path\n\n\ndef test_calls(local_cloud):\n"
        "    created = local_cloud.cloud.calls().get('cloudformation:CreateStack', 0)\n"
        "    Path('created').write_text(str(created))\n"
    )
    for created in ("1", "0"):
        done = installed.pytest(project)
        assert done.returncode == 0, _output(done)
        assert "4 passed" in done.stdout
        assert (project / "created").read_text() == created


@pytest.mark.parametrize(
    ("fixture", "value", "message"),
    [
        (
            "pubsub_settings",
            "{'topics': ['orders/#']}",
            "fixture pubsub_settings: amplify-pubsub.topics.0: 'orders/#' given",
        ),
        ("pubsub_app", "Path('/nowhere')", '/nowhere/cdk.json: not readable, or without "app": '),
    ],
)
def test_wrong_fixture_override_is_reported_in_one_line(
    installed: Installed, project: Path, fixture: str, value: str, message: str
) -> None:
    (project / "conftest.py").write_text(
        "from pathlib import Path\n\nimport pytest\n\n\n"
        f"@pytest.fixture(scope='session')\ndef {fixture}():\n    return {value}\n"
    )
    (project / "test_it.py").write_text("def test_it(local_cloud):\n    pass\n")
    done = installed.pytest(project)
    assert done.returncode == 1, _output(done)
    assert message in done.stdout
    assert "Traceback" not in done.stdout


def test_cdk_app_example_passes_its_tests_smoke_and_doctor(installed: Installed, tmp_path: Path) -> None:
    example = tmp_path / "cdk-app"
    shutil.copytree(_REPOSITORY / "examples" / "cdk-app", example, ignore=_NO_CACHES)
    (example / "tests" / "test_commands.py").write_text(
        "import subprocess\nfrom pathlib import Path\n\n\ndef test_commands(local_cloud):\n"
        "    for command in ('smoke', 'doctor'):\n"
        "        done = subprocess.run(['pubsub', command, '--stack', local_cloud.stack, '--json'],\n"
        "            env=local_cloud.environment(), stdout=subprocess.PIPE, text=True)\n"
        "        Path(f'{command}.json').write_text(done.stdout)\n"
    )
    done = installed.pytest(example)
    assert done.returncode == 0, _output(done)
    assert "4 passed" in done.stdout
    smoke, doctor = (json.loads((example / f"{command}.json").read_text()) for command in ("smoke", "doctor"))
    assert (smoke["stack"], smoke["summary"]["exit_code"], doctor["summary"]["exit_code"]) == ("Orders", 0, 0)
    status = {each["id"]: each["status"] for each in smoke["checks"]}
    assert status["PS501"] == status["PS413"] == status["PS312"] == "passed"
