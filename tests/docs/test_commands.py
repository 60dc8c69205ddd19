"""Every command of the documentation runs unchanged, or ``table.py`` says how it runs or why it does not."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local_cloud.environment import without_aws
from local_cloud.state_directory import StateDirectory
from tests.docs.pages import OTHERS, REPOSITORY, SHELLS, Command, blocks, commands, pages
from tests.docs.table import INTERRUPTED, NOT_RUN, PASSWORD, RUN, TESTED_ELSEWHERE, Run
from tests.e2e.amplify_project.project import AmplifyProject
from tests.e2e.commands import programs
from tests.e2e.conftest import Deployment
from tests.e2e.stack_app import StackApp

_LEFT_BEHIND = (".git", ".venv", "node_modules", ".local", "cdk.out", "__pycache__", ".*_cache", ".hypothesis", "dist")
_PAGES_THAT_SELECT_THE_CLOUD = {"docs/tutorial.md", "docs/reference/local-cloud.md", "examples/python-pubsub/README.md"}
"""Pages whose own commands select the local cloud. For other pages the test selects it."""


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository, with the stack deployed to a local cloud.

    Args:
        directory: the copy.
        deployment: the stack.
        values: the stack's outputs, and other values, by the names in ``table.py``.
    """

    directory: Path
    deployment: Deployment
    values: dict[str, str]

    def environment(self, page: str) -> dict[str, str]:
        """Return the environment variables of a page's shell."""
        return without_aws(os.environ) if page in _PAGES_THAT_SELECT_THE_CLOUD else self.deployment.cloud.environment()

    def resolve(self, text: str, run: Run) -> str:
        """Return the command with its placeholders replaced."""
        for name, meant in run.replaced.items():
            text = text.replace(name, self.values.get(meant, meant))
        return text


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Run `make local` twice, so that the second run restores the saved deployment."""
    directory = tmp_path_factory.mktemp("documentation") / "checkout"
    shutil.copytree(REPOSITORY, directory, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    for name in (".venv", "node_modules"):
        (directory / name).symlink_to(REPOSITORY / name)
    _make("local", directory)
    _make("local-down", directory)
    assert "the saved deployment was restored" in _make("local", directory)
    try:
        yield _prepare(directory)
    finally:
        _make("local-down", directory)


def _make(target: str, directory: Path) -> str:
    command = ["make", "--no-print-directory", target]
    done = subprocess.run(
        command, cwd=directory, env=without_aws(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _prepare(directory: Path) -> Checkout:
    """Create what the pages assume: an Amplify project in the account, and a directory for sources."""
    state = StateDirectory(directory / ".local")
    cloud = state.running()
    assert cloud
    app = StackApp(cloud, state.directory)
    deployment = Deployment(cloud, app, app.write_outputs())
    project = AmplifyProject.make(cloud)
    (directory / "src").mkdir()
    values = {
        "user pool of the project": project.user_pool_id,
        "identity pool of the project": project.identity_pool_id,
    }
    return Checkout(directory, deployment, deployment.outputs | values)


@pytest.fixture
def reader(checkout: Checkout) -> Iterator[Checkout]:
    """A checkout with the user ada, who has signed in, and her ID token. Each page gets a new user."""
    deployment = checkout.deployment
    users = deployment.cloud.client("cognito-idp")
    user = {"UserPoolId": deployment.user_pool_id, "Username": "ada"}
    email = [{"Name": "email", "Value": "ada@example.com"}, {"Name": "email_verified", "Value": "true"}]
    users.admin_create_user(**user, MessageAction="SUPPRESS", UserAttributes=email)
    users.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)
    tokens = deployment.sign_in("ada", PASSWORD)
    (checkout.directory / "token.jwt").write_text(tokens["IdToken"])
    yield replace(checkout, values=checkout.values | {"identity id of ada": deployment.identity_id(tokens)})
    users.admin_delete_user(**user)
    deployment.cloud.clear_faults()


def _commands_to_run(page: str) -> list[tuple[Command, Run]]:
    """Return each command of a page once, without `pubsub` commands of earlier pages."""
    others = {command for group in (*TESTED_ELSEWHERE.values(), *NOT_RUN.values()) for command in group}
    earlier = {each.key for before in pages() if before < page for each in commands(before)}
    first: dict[str, Command] = {}
    for command in commands(page):
        if command.key not in others and (command.key not in earlier or not command.key.startswith("pubsub ")):
            first.setdefault(command.key, command)
    found = [(command, RUN.get(command.key, Run())) for command in first.values()]
    return [(command, run) for command, run in found if not run.needs or shutil.which(run.needs)]


@pytest.mark.parametrize("page", [page for page in pages() if _commands_to_run(page)])
def test_commands_of_a_page_succeed(page: str, reader: Checkout, tmp_path: Path) -> None:
    found = _commands_to_run(page)
    resolved = [
        (reader.resolve(command.text, run), replace(run, setup=reader.resolve(run.setup, run)))
        for command, run in found
    ]
    results = _run_in_one_shell(resolved, reader.directory, tmp_path, reader.environment(page))
    for (command, run), (code, written) in zip(found, results, strict=True):
        text = f"{command.page}:{command.line}: {command.text}\n{written}"
        assert code == run.code, text
        assert run.writes in written, text


def _run_in_one_shell(
    runs: Sequence[tuple[str, Run]], checkout: Path, notes: Path, environment: Mapping[str, str]
) -> list[tuple[int | None, str]]:
    """Run commands in one bash, and return the exit code and output of each; None if it was not reached."""
    steps, ends = [], []
    for number, (text, run) in enumerate(runs):
        script, stdin, out, code = (notes / f"{number}.{each}" for each in ("sh", "in", "out", "code"))
        script.write_text(f"{text}\n")
        stdin.write_text(run.stdin)
        step = f"source {_q(script)} <{_q(stdin)} >>{_q(out)} 2>&1"
        if run.setup:
            steps.append(f"{{ {run.setup}\n}} >{_q(notes / f'{number}.setup')} 2>&1")
        if not run.until:
            steps.append(f"{step}; echo $? >{_q(code)}")
            continue
        steps.append(f"{{ beside=1; {step}; }} &\nbeside_{number}=$!")
        steps.append(f"for _ in {{1..300}}; do grep -qF {_q(run.until)} {_q(out)} && break; sleep 0.1; done")
        if run.code == INTERRUPTED:
            ends.append(f"kill -INT -- -$beside_{number}")
        ends.append(f"wait $beside_{number}; echo $? >{_q(code)}")
    with programs() as functions, (notes / "page.out").open("w") as output:
        # Each job is a process group, as at a terminal, so that Ctrl-C reaches its commands.
        (notes / "page.sh").write_text("\n".join(["set -m", functions, *steps, *ends]))
        subprocess.run(
            ["bash", str(notes / "page.sh")],  # noqa: S607
            cwd=checkout,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=270,
            check=False,
        )
    results = []
    for number in range(len(runs)):
        code, out = notes / f"{number}.code", notes / f"{number}.out"
        results.append((int(code.read_text()) if code.exists() else None, out.read_text() if out.exists() else ""))
    return results


def _q(path: object) -> str:
    return shlex.quote(str(path))


def test_table_contains_only_commands_of_pages() -> None:
    written = {command.key for page in pages() for command in commands(page)}
    listed = [command for group in (*TESTED_ELSEWHERE.values(), *NOT_RUN.values(), RUN) for command in group]
    assert sorted(set(listed)) == sorted(listed), "a command is listed twice"
    assert not sorted(set(listed) - written)


def test_table_names_existing_tests() -> None:
    for test in TESTED_ELSEWHERE:
        file, _, name = test.partition("::")
        tree = ast.walk(ast.parse((REPOSITORY / "tests" / file).read_text()))
        assert name in {each.name for each in tree if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}, test


def test_code_blocks_have_a_known_language() -> None:
    for page in pages():
        for block in blocks(page):
            assert block.info in SHELLS | OTHERS, f"{page}: {block.info}"
