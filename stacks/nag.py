"""cdk-nag over the stack: ``python -m stacks.nag``. Each finding is fixed, or acknowledged on its resource."""

from __future__ import annotations

import sys
import tempfile

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.amplify_pubsub_stack import AmplifyPubSubStack
from stacks.settings import Settings


def main() -> int:
    """Synthesize under the AwsSolutions rules; 1 if anything is found, which CDK has then printed."""
    with tempfile.TemporaryDirectory() as directory:
        app = App(outdir=directory)
        AmplifyPubSubStack(app, Settings())
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        try:
            app.synth()
        except RuntimeError as error:
            print(f"cdk-nag: {str(error).partition('.')[0]}", file=sys.stderr)
            return 1
    print("cdk-nag: no finding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
