from __future__ import annotations

import uuid

from pubsub_client._transport import ClientId


def test_a_client_id_that_is_made_up_begins_with_the_prefix_and_stays_the_same() -> None:
    client_id = ClientId()
    random = uuid.UUID(str(client_id))
    client_id.prefix = "us-east-1:1234-"
    assert str(client_id) == f"us-east-1:1234-{random}"
    assert str(client_id) == str(client_id)
    assert str(ClientId()) != str(ClientId())


def test_a_client_id_that_is_given_is_taken_as_it_is() -> None:
    client_id = ClientId("tablet-7")
    client_id.prefix = "us-east-1:1234-"
    assert str(client_id) == "tablet-7"
