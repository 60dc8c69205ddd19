"""``python -m pubsub_testing.synthesis DIRECTORY``: settings as JSON on standard input in, a cloud assembly out."""

from __future__ import annotations

import json
import sys

from aws_cdk import App, DefaultStackSynthesizer, Environment

from amplify_pubsub import AmplifyPubSubStack, SettingsError, read_settings
from local_cloud.environment import ACCOUNT_ID, DEFAULT_REGION


def main() -> None:
    """Synthesize for the embedded cloud and print the stack's name; a wrong setting is exit code 2 and one line."""
    try:
        settings = read_settings(json.load(sys.stdin), None)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    app = App(outdir=sys.argv[1], builtin_cloud_formation_validation=False)
    AmplifyPubSubStack(
        app,
        settings,
        env=Environment(account=ACCOUNT_ID, region=DEFAULT_REGION),
        synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
    )
    app.synth()
    print(settings.stack_name)


if __name__ == "__main__":
    main()
