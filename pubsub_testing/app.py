"""``python -m pubsub_testing.app``: a CDK app with only the toolkit's stack; its settings are in the CDK context."""

from __future__ import annotations

import os

from aws_cdk import App, Environment

from amplify_pubsub import CONTEXT_KEY, AmplifyPubSubStack, read_settings


def main() -> None:
    """Synthesize the stack."""
    app = App(builtin_cloud_formation_validation=False)
    settings = read_settings(app.node.try_get_context(CONTEXT_KEY), None)
    target = Environment(account=os.environ["CDK_DEFAULT_ACCOUNT"], region=os.environ["CDK_DEFAULT_REGION"])
    AmplifyPubSubStack(app, settings, env=target)
    app.synth()


if __name__ == "__main__":
    main()
