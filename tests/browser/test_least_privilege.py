"""The page in access mode least-privilege, with client ids and topics that begin with the identity id."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.app import App
from tests.browser.conftest import build, served
from tests.e2e.conftest import Deployment, updated_to_least_privilege


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with updated_to_least_privilege(tmp_path_factory.mktemp("least-privilege")) as updated:
        yield updated


@pytest.fixture(scope="module")
def address(strict: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page for this deployment, which ``app`` opens."""
    outputs = strict.pubsub("outputs", "--format", "amplify-outputs").stdout
    with served(build(outputs, tmp_path_factory.mktemp("web") / "example")) as url:
        yield url


def test_page_has_a_shared_chat_and_own_notes_in_least_privilege_mode(app: App, strict: Deployment) -> None:
    ada, grace = strict.make_user(), strict.make_user()
    identity_id = strict.identity_id(strict.sign_in(ada))
    first, second, other = app.connected(ada), app.connected(ada), app.connected(grace)
    first.send("hello to all")
    other.expect_message(ada, "hello to all")
    first.add_note("milk and bread")
    second.expect_note(ada, "milk and bread")
    other.send("anything new?")  # arrives after the note would have
    first.expect_message(grace, "anything new?")
    other.expect_note_not_there("milk and bread")
    first.picture("least-privilege")
    assert first.connects
    assert all(f"{identity_id}-".encode() in packet for packet in first.connects + second.connects)
    strict.cloud.client("iot").detach_policy(policyName=strict.policy_name, target=identity_id)
    first.send("does this arrive?")
    first.expect_status("Connected", "PS203: no IoT policy was attached, repaired")
    first.add_note("here again")
    first.expect_note(ada, "here again")
