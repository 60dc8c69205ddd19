"""The exported names, and the modules that importing them loads."""

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


def test_exported_names_are_these_and_exist() -> None:
    assert set(pubsub_client.__all__) == NAMES
    assert [name for name in NAMES if not hasattr(pubsub_client, name)] == []


def test_every_error_is_in_the_tree_below_its_root() -> None:
    errors = {
        name: error for name, error in inspect.getmembers(exceptions, inspect.isclass) if not name.startswith("_")
    }
    assert all(issubclass(error, exceptions.PubSubError) for error in errors.values())
    assert all(name in (exceptions.__doc__ or "") for name in errors)


def test_library_imports_no_packages_of_stacks_cli_and_local_cloud() -> None:
    assert _imported_by("from pubsub_client import *") & {"aws_cdk", "typer", "rich", "pydantic", "ministack"} == set()


def test_output_names_import_no_mqtt_client_and_no_sdk() -> None:
    assert _imported_by("import pubsub_client.outputs") & {"awscrt", "boto3", "pycognito"} == set()


def _imported_by(program: str) -> set[str]:
    script = f"{program}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
