"""What the package offers, and what it costs to import."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pubsub_client
from pubsub_client import exceptions

NAMES = {
    "AwsIot",
    "CognitoSession",
    "ConnectionState",
    "Credentials",
    "CredentialsSource",
    "Message",
    "PubSub",
    "PubSubError",
    "StateChange",
    "Subscription",
    "exceptions",
}


def test_exactly_the_meant_names_are_exported() -> None:
    assert set(pubsub_client.__all__) == NAMES


def test_every_error_is_in_the_drawn_tree_and_below_its_root() -> None:
    errors = {
        name: error for name, error in inspect.getmembers(exceptions, inspect.isclass) if not name.startswith("_")
    }
    assert all(issubclass(error, exceptions.PubSubError) for error in errors.values())
    assert all(name in (exceptions.__doc__ or "") for name in errors)


def test_the_library_imports_nothing_of_the_stack_or_the_command_line() -> None:
    program = (
        "import sys, pubsub_client\n"
        "print(*sorted({'aws_cdk', 'typer', 'rich', 'pydantic', 'ministack'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
