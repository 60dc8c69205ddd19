"""The CDK app: settings from cdk.json in, one stack out."""

from __future__ import annotations

import sys

from aws_cdk import App

from stacks.amplify_pubsub_stack import AmplifyPubSubStack
from stacks.settings import CONTEXT_KEY, SettingsError, read_settings


def main() -> None:
    """Synthesize; a wrong setting stops it with one line and exit code 2."""
    app = App()
    try:
        settings = read_settings(app.node.try_get_context(CONTEXT_KEY), app.node.try_get_context("environment"))
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    AmplifyPubSubStack(app, settings)
    app.synth()


if __name__ == "__main__":
    main()
