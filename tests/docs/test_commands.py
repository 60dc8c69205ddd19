"""Every command of the documentation is run as it is written, or said why not; there is no third."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local_cloud.environment import without_aws
from local_cloud.state import State
from tests.docs.how import Elsewhere, How, Run
from tests.docs.pages import OTHERS, REPOSITORY, SHELLS, Command, blocks, commands, pages
from tests.docs.shell import type_in
from tests.docs.table import PASSWORD, TABLE
from tests.e2e.amplify_project.project import AmplifyProject
from tests.e2e.conftest import Deployment
from tests.e2e.stack_app import StackApp

_LEFT_BEHIND = (".git", ".venv", "node_modules", ".local", "cdk.out", "__pycache__", ".*_cache", ".hypothesis", "dist")
_BY_LOCAL_ENV = {"docs/tutorial.md", "docs/local-cloud.md", "examples/python-pubsub/README.md"}
"""Pages on which the shell itself learns where the local cloud is; on the others it knows."""


@dataclass(frozen=True)
class Checkout:
    """The repository as a reader has it, with the stack deployed on an local cloud.

    Args:
        directory: where it is.
        deployment: the stack.
        own: what a reader has, by the name that the table gives it; the stack's outputs too.
    """

    directory: Path
    deployment: Deployment
    own: dict[str, str]

    def environment(self, page: str) -> dict[str, str]:
        """Return the environment of a page's shell."""
        return without_aws(os.environ) if page in _BY_LOCAL_ENV else self.deployment.cloud.environment()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """What `make local` makes, until `make local-down`: the second time, when it restores what it deployed at first."""
    directory = tmp_path_factory.mktemp("documentation") / "checkout"
    shutil.copytree(REPOSITORY, directory, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    for name in (".venv", "node_modules"):
        (directory / name).symlink_to(REPOSITORY / name)
    _make("local", directory)
    _make("local-down", directory)
    assert "the saved deployment was restored" in _make("local", directory)
    try:
        yield _settled(directory)
    finally:
        _make("local-down", directory)


def _make(target: str, directory: Path) -> str:
    command = ["make", "--no-print-directory", target]
    done = subprocess.run(
        command, cwd=directory, env=without_aws(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _settled(directory: Path) -> Checkout:
    """Give the reader what the pages take for granted: an Amplify project in the account, a folder for sources."""
    state = State(directory / ".local")
    cloud = state.running()
    assert cloud
    app = StackApp(cloud, state.directory)
    deployment = Deployment(cloud, app, app.write_outputs())
    project = AmplifyProject.make(cloud)
    (directory / "src").mkdir()
    own = {
        "user pool of the project": project.user_pool_id,
        "identity pool of the project": project.identity_pool_id,
    }
    return Checkout(directory, deployment, deployment.outputs | own)


@pytest.fixture
def reader(checkout: Checkout) -> Iterator[Checkout]:
    """The same with the user ada, who has signed in, and her token; no page meets what another has left of them."""
    deployment = checkout.deployment
    users = deployment.cloud.client("cognito-idp")
    user = {"UserPoolId": deployment.user_pool_id, "Username": "ada"}
    email = [{"Name": "email", "Value": "ada@example.com"}, {"Name": "email_verified", "Value": "true"}]
    users.admin_create_user(**user, MessageAction="SUPPRESS", UserAttributes=email)
    users.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)
    tokens = deployment.sign_in("ada", PASSWORD)
    (checkout.directory / "token.jwt").write_text(tokens["IdToken"])
    yield replace(checkout, own=checkout.own | {"identity id of ada": deployment.identity_id(tokens)})
    users.admin_delete_user(**user)
    deployment.cloud.clear_faults()


def _how(command: Command) -> How:
    return TABLE.get(command.key, Run())


def _typed(page: str) -> list[tuple[Command, Run]]:
    """Return what is typed of a page: once what it says again, and no `pubsub` command of an earlier page."""
    earlier = {each.key for before in pages() if before < page for each in commands(before)}
    first: dict[str, Command] = {}
    for command in commands(page):
        if command.key not in earlier or not command.key.startswith("pubsub "):
            first.setdefault(command.key, command)
    found = [(command, _how(command)) for command in first.values()]
    return [(command, how) for command, how in found if isinstance(how, Run) and _there(how.needs)]


def _there(program: str) -> bool:
    return not program or shutil.which(program) is not None


@pytest.mark.parametrize("page", [page for page in pages() if _typed(page)])
def test_commands_of_a_page_succeed(page: str, reader: Checkout, tmp_path: Path) -> None:
    typed = _typed(page)
    meant = [
        (_put(command.text, how, reader), replace(how, first=_put(how.first, how, reader))) for command, how in typed
    ]
    became = type_in(meant, reader.directory, tmp_path, reader.environment(page))
    for (command, how), done in zip(typed, became, strict=True):
        told = f"{command.page}:{command.line}: {command.text}\n{done.written}"
        assert done.code == how.code, told
        assert how.says in done.written, told


def _put(text: str, how: Run, reader: Checkout) -> str:
    """Put what is meant in the place of what stands for it."""
    for name, meant in how.put.items():
        text = text.replace(name, reader.own.get(meant, meant))
    return text


def test_table_contains_only_commands_of_pages() -> None:
    written = {command.key for page in pages() for command in commands(page)}
    assert not sorted(TABLE.keys() - written)


def test_table_names_existing_tests() -> None:
    for key, how in TABLE.items():
        if isinstance(how, Elsewhere):
            file, _, name = how.test.partition("::")
            assert name in _functions(REPOSITORY / file), f"{key}: {how.test}"


def test_code_blocks_have_a_known_language() -> None:
    for page in pages():
        for block in blocks(page):
            assert block.info in SHELLS | OTHERS, f"{page}: {block.info}"


def _functions(file: Path) -> set[str]:
    tree = ast.walk(ast.parse(file.read_text()))
    return {each.name for each in tree if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
