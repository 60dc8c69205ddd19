"""Check the templates of the stack with cdk-nag and cfn-lint: ``python -m tools.check_templates``.

Fix each finding, or suppress it with a reason: those of cdk-nag on the resource, those of cfn-lint in ``.cfnlintrc``.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aws_cdk import App, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.amplify_pubsub_stack import AmplifyPubSubStack
from stacks.settings import CONTEXT_KEY, Settings, read_settings

# Together these create every resource that the settings can create, and combine each access mode with each attachment.
_VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {
        "accessMode": "unguarded",
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
    {"accessMode": "unguarded", "attachment": "self-attach"},
    {"accessMode": "least-privilege", "attachment": "self-attach"},
)
_REPOSITORY = Path(__file__).parent.parent
_EXAMPLE = _REPOSITORY / "examples" / "cdk-app"


def main() -> int:
    """Check the templates with cdk-nag's AwsSolutions rules and cfn-lint; return 1 after a finding."""
    with tempfile.TemporaryDirectory() as directory:
        templates = []
        for number, settings in enumerate([*map(Settings.model_validate, _VARIANTS), _production()]):
            try:
                templates.append(_synthesize(settings, Path(directory, f"{number}")))
            except RuntimeError as error:
                print(f"cdk-nag: with {settings!r}: {str(error).partition('.')[0]}", file=sys.stderr)
                return 1
        print(f"cdk-nag: no finding in {len(templates)} variants of the stack")
        templates.append(_example(Path(directory, "example")))
        if lint(templates):
            print("cfn-lint: fix each finding, or ignore its check in .cfnlintrc with a reason", file=sys.stderr)
            return 1
    print(f"cfn-lint: no finding in {len(templates)} templates")
    return 0


def _production() -> Settings:
    """Return the settings of the environment ``prod`` in this repository's cdk.json."""
    section = json.loads((_REPOSITORY / "cdk.json").read_text())["context"][CONTEXT_KEY]
    return read_settings(section, "prod")


def _synthesize(settings: Settings, directory: Path) -> Path:
    """Synthesize the stack and return its template's path.

    Raises:
        RuntimeError: cdk-nag has a finding, which CDK printed.
    """
    app = App(outdir=str(directory))
    stack = AmplifyPubSubStack(app, settings)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
    return directory / stack.template_file


def _example(directory: Path) -> Path:
    """Return the example app's template. cdk-nag does not check it, because it would report the app's own resources."""
    sys.path.insert(0, str(_EXAMPLE))
    try:
        orders_stack = importlib.import_module("orders_stack")
    finally:
        sys.path.remove(str(_EXAMPLE))
    app = App(outdir=str(directory), builtin_cloud_formation_validation=False)
    stack: Stack = orders_stack.OrdersStack(app, "Orders")
    app.synth()
    return directory / stack.template_file


def lint(templates: Sequence[Path]) -> int:
    """Run cfn-lint offline, which prints errors and warnings, and return its exit code: 0 without a finding."""
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(cfn_lint), "--format", "parseable", "--", *map(str, templates)]
    return subprocess.run(command, cwd=_REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
