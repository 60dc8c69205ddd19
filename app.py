"""The CDK app: settings from cdk.json in, one stack out."""

from __future__ import annotations

import os
import sys

from aws_cdk import App, Environment

from pubsub_client._printable import printable
from stacks.amplify_pubsub_stack import AmplifyPubSubStack
from stacks.settings import CONTEXT_KEY, SettingsError, check_region, read_settings


def main() -> None:
    """Synthesize; a wrong setting stops it with one line and exit code 2."""
    app = App()
    try:
        settings = read_settings(app.node.try_get_context(CONTEXT_KEY), app.node.try_get_context("environment"))
        region = check_region(os.environ.get("CDK_DEFAULT_REGION"))
    except SettingsError as error:
        print(printable(str(error)), file=sys.stderr)
        raise SystemExit(2) from None
    AmplifyPubSubStack(app, settings, env=Environment(region=region))
    app.synth()


if __name__ == "__main__":
    main()
