"""cdk-nag over the stack: ``python -m stacks.nag``. Each finding is fixed, or acknowledged on its resource."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from .amplify_pubsub_stack import AmplifyPubSubStack
from .settings import Settings

# Together they make every resource that the settings can ask for.
_VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {
        "accessMode": "documented",
        "alarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
        "reservedTopics": True,
    },
    {"groups": ["admins"], "mfa": "optional", "permissionsBoundary": "Developers", "removalPolicy": "retain"},
    {"accessMode": "least-privilege", "groups": ["admins"], "topics": ["chat/*"]},
    {"attachment": "self-attach", "groups": ["admins"], "removalPolicy": "retain"},
    {"groups": ["admins"], "adopt": {"userPoolId": "eu-west-1_abc", "userPoolClientIds": ["abc"]}},
    {
        "adopt": {
            "userPoolId": "eu-west-1_abc",
            "userPoolClientIds": ["abc"],
            "identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555",
            "authRoleArn": "arn:aws:iam::123456789012:role/amplify-shop-dev-authRole",
            "groupRoleArns": ["arn:aws:iam::123456789012:role/amplify-shop-dev-admins"],
        },
        "attachment": "sign-in",
    },
)


def main() -> int:
    """Synthesize under the AwsSolutions rules; 1 if anything is found, which CDK has then printed."""
    for settings in _VARIANTS:
        with tempfile.TemporaryDirectory() as directory:
            app = App(outdir=directory)
            AmplifyPubSubStack(app, Settings.model_validate(settings))
            Validations.of(app).add_plugins(AwsSolutionsChecks(app))
            try:
                app.synth()
            except RuntimeError as error:
                print(f"cdk-nag: with settings {settings}: {str(error).partition('.')[0]}", file=sys.stderr)
                return 1
    print(f"cdk-nag: no finding in {len(_VARIANTS)} variants of the stack")
    return 0


if __name__ == "__main__":
    sys.exit(main())
