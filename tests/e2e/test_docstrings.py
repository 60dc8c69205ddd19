"""The examples in the client's docstrings run and print what they show."""

from __future__ import annotations

import ast
import doctest
import inspect
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

import pytest

import pubsub_client
from pubsub_client import AwsIot, CognitoSession
from tests.e2e.conftest import PASSWORD, Deployment


def examples() -> Iterator[tuple[str, list[doctest.Example]]]:
    """Yield the examples of the package, of each exported name, and of each public method."""
    parser = doctest.DocTestParser()
    for name, documented in _documented():
        found = parser.get_examples(inspect.getdoc(documented) or "", name)
        if found:
            yield name, found


def _documented() -> Iterator[tuple[str, object]]:
    yield "pubsub_client", pubsub_client
    for name in pubsub_client.__all__:
        exported = getattr(pubsub_client, name)
        yield name, exported
        if inspect.isclass(exported):
            yield from (
                (f"{name}.{member}", of)
                for member, of in inspect.getmembers(exported, inspect.isroutine)
                if not member.startswith("_")
            )


@pytest.fixture(scope="module")
def ada(deployment: Deployment) -> str:
    """The user of the examples."""
    return deployment.make_user(name="ada")


@pytest.mark.parametrize("examples_of_one", [pytest.param(found, id=name) for name, found in examples()])
async def test_docstring_example_prints_what_it_shows(
    deployment: Deployment, ada: str, examples_of_one: list[doctest.Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployment.cloud.environment().items():
        monkeypatch.setenv(name, value)
    session = CognitoSession.from_outputs(deployment.outputs)
    await session.sign_in(ada, PASSWORD)
    names = {
        **{name: getattr(pubsub_client, name) for name in pubsub_client.__all__},
        "outputs": deployment.outputs,
        "password": PASSWORD,
        "session": session,
        "provider": AwsIot.from_outputs(deployment.outputs, session),
    }
    for example in examples_of_one:
        done = await _run(example.source.replace('"ada"', repr(ada)), names)
        assert doctest.OutputChecker().check_output(example.want, done, doctest.ELLIPSIS), done


async def _run(source: str, names: dict[str, object]) -> str:
    """Run one example, and return what it prints or raises, as a docstring shows it."""
    code = compile(source, "<docstring>", "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    printed = StringIO()
    with redirect_stdout(printed):
        try:
            running = eval(code, names)  # noqa: S307 - our own examples
            if inspect.isawaitable(running):
                await running
        except Exception as error:  # noqa: BLE001 - an example may show an error
            return "Traceback (most recent call last):\n" + "".join(traceback.format_exception_only(error))
    return printed.getvalue()
