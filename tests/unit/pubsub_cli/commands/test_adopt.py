"""What `pubsub adopt` refuses before it asks AWS: patterns of topics that the settings would refuse."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--access-mode", "least-privilege", "--topic", "news", "--topic", "????-*/x"],
            "--topic: 'news', '????-*/x' given; in access mode least-privilege a shared topic has no * and no ? before "
            "its first slash",
        ),
        (["--topic", "chat/#"], "--topic: 'chat/#' given; an IoT policy takes # literally"),
        (["--topic", "orders"], "--topic: 'orders' given; at least one must end in *"),
    ],
)
def test_topics_that_the_settings_would_refuse_are_wrong_usage(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["adopt", "--amplify-stack", "amplify-shop-dev-103245", *arguments])
    assert done.exit_code == 2
    assert told in done.output
