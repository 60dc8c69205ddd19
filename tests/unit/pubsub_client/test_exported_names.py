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
    "Message",
    "MqttOverWebSocket",
    "PubSub",
    "SdkCredentials",
    "Subscription",
    "configure",
    "exceptions",
    "get",
}


def test_exactly_the_meant_names_are_exported() -> None:
    assert set(pubsub_client.__all__) == NAMES


def test_every_error_is_in_the_drawn_tree_and_below_its_root() -> None:
    errors = {
        name: error for name, error in inspect.getmembers(exceptions, inspect.isclass) if not name.startswith("_")
    }
    assert all(issubclass(error, exceptions.PubSubError) for error in errors.values())
    assert all(name in (exceptions.__doc__ or "") for name in errors)


def test_each_exported_name_is_there() -> None:
    assert [name for name in NAMES if not hasattr(pubsub_client, name)] == []


def test_the_library_imports_nothing_of_the_stack_or_the_command_line() -> None:
    of_others = {"aws_cdk", "typer", "rich", "pydantic", "ministack"}
    assert _imported_by("from pubsub_client import *") & of_others == set()


def test_names_of_outputs_import_no_mqtt_client() -> None:
    assert _imported_by("import pubsub_client.outputs") & {"awscrt.mqtt5", "pycognito"} == set()


def _imported_by(program: str) -> set[str]:
    asking = f"{program}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asking], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
