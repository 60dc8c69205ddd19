# ruff: noqa: E501 - commands as they are in the pages
"""Commands of the documentation that ``test_commands`` cannot run unchanged: how it runs them, or why it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PASSWORD = "Her-passw0rd-of-yours"  # noqa: S105 - the one in the pages
INTERRUPTED = 130


@dataclass(frozen=True)
class Run:
    """How to run a command.

    Args:
        code: the expected exit code; 130 sends Ctrl-C after the page's last command.
        stdin: its standard input.
        setup: shell commands to run before.
        replaced: placeholders in the command, and what replaces them: the name of an output or of a value in
            ``Checkout.values``, or shell text.
        until: run the command in the background, and continue when its output contains this.
        writes: text that the output must contain.
        needs: a program; without it the command is skipped.
    """

    code: int = 0
    stdin: str = ""
    setup: str = ""
    replaced: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    writes: str = ""
    needs: str = ""


TESTED_ELSEWHERE: dict[str, list[str]] = {
    "e2e/test_loopback.py::test_smoke_ignores_the_aws_configuration": [
        "make smoke",
    ],
    "docs/test_commands.py::checkout": [
        "make local",
        "make local-down",
        "npx cdk deploy --profile acme",
    ],
    "browser/test_demo.py::test_demo_serves_two_users_and_ends_only_its_web_server": [
        "make demo",
        "npm run dev",
    ],
    "e2e/test_deployment.py::test_production_is_deployed_tested_protected_and_destroyed": [
        "make deploy PROFILE=acme REGION=eu-west-1",
        "make destroy PROFILE=acme REGION=eu-west-1",
        "make deploy PROFILE=acme REGION=eu-west-1 ENVIRONMENT=prod",
        "npx cdk destroy",
    ],
    "e2e/test_environments.py::test_pull_request_environment_leaves_production_unchanged": [
        "make deploy ENVIRONMENT=prod YES=1 JUNIT=smoke.xml",
        "make destroy ENVIRONMENT=pr-7 YES=1",
    ],
    "e2e/test_released_package.py::test_cdk_app_example_passes_its_tests_smoke_and_doctor": [
        "python -m build --wheel",
        "python -m pip install --find-links DIST --requirement requirements.txt",
        "python -m pytest",
        "npx cdk deploy",
        "pubsub smoke --stack Orders",
    ],
    "e2e/test_smoke.py::test_smoke_json_document_matches_the_contract": [
        "pubsub smoke --profile acme --region eu-west-1 --timeout 600",
    ],
    "e2e/doctor/test_doctor.py::test_doctor_finds_nothing_in_a_healthy_deployment_and_changes_nothing": [
        "pubsub doctor --profile acme --region eu-west-1",
    ],
    "e2e/test_outputs.py::test_amplify_outputs_contain_the_endpoints_for_the_app": [
        "pubsub outputs --format amplify-outputs --profile PROFILE --region REGION --file amplify_outputs.json",
    ],
    "e2e/test_detach_all.py::test_stack_with_too_many_attachments_is_destroyed_after_bulk_detachment": [
        "pubsub detach --all",
        "pubsub detach --all --per-second 100",
    ],
    "e2e/test_python_example.py::test_python_example_shows_a_message_sent_by_another_module": [
        "python examples/python-pubsub/main.py ada",
    ],
    "e2e/test_smoke.py::test_smoke_uses_and_keeps_an_existing_user": [
        "pubsub smoke --user ada --password-stdin",
    ],
    "e2e/test_smoke.py::test_smoke_writes_junit_xml": [
        "pubsub smoke --json --junit results.xml",
    ],
    "e2e/test_smoke.py::test_smoke_skips_checks_and_redacts_identity_ids": [
        "pubsub smoke --skip PS412",
    ],
    "e2e/doctor/test_manual_deployment.py::test_doctor_reads_the_ids_of_a_configuration_file": [
        "pubsub doctor --config amplify_outputs.json --user ada",
    ],
    "e2e/test_adopt_command.py::test_adopt_puts_the_app_client_of_the_configuration_file_first": [
        "pubsub adopt --config amplify_outputs.json",
    ],
    "e2e/doctor/test_doctor.py::test_fix_runs_a_safe_command_and_checks_again": [
        "pubsub doctor --user ada --fix",
    ],
    "integration/brokers/test_commands.py::test_publish_and_subscribe_use_all_options_of_the_broker": [
        "pubsub publish --topic frames --bytes-from frame.jpg --broker wss://broker.example/mqtt",
    ],
    "e2e/test_sweep.py::test_full_sweep_attaches_detached_policies_again": [
        "pubsub sweep --full",
    ],
    "e2e/test_sweep.py::test_sweep_of_users_queues_users_without_an_identity": [
        "pubsub sweep --users",
    ],
    "e2e/test_sweep.py::test_sweep_attaches_nothing_while_attachment_is_paused": [
        "pubsub sweep --resume",
    ],
    "e2e/test_adoption.py::test_project_with_its_own_trigger_is_adopted_at_sign_in_and_restored": [
        "lines DriftDetector '{ $.PoolDrift > 0 }'",
        "lines DriftDetector '?ERROR ?\"Task timed out\"'",
    ],
}
"""Commands that another test runs, by that test, because they need an account, a terminal or much time."""

NOT_RUN: dict[str, list[str]] = {
    "it runs this test": [
        "make test",
    ],
    "it needs a network; `make test` ran it before": [
        "npm ci",
    ],
    "that version does not exist yet": [
        ".venv/bin/uv pip install ministack==X.Y.Z",
    ],
    "`make test` runs these": [
        ".venv/bin/python -m pytest tests/unit/local_cloud tests/integration/local_cloud",
    ],
    "the local cloud has no Service Quotas": [
        "aws service-quotas list-service-quotas --service-code iot --query \"Quotas[?QuotaName=='AttachPolicy API TPS'].[QuotaCode,Value,Adjustable]\" --output text",
        "aws service-quotas list-service-quotas --service-code cognito-identity --query \"Quotas[?QuotaName=='Rate of GetId requests'].[QuotaCode,Value,Adjustable]\" --output text",
        "aws service-quotas request-service-quota-increase --service-code iot --quota-code CODE --desired-value 150",
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000",
    ],
}
"""Commands that no test runs, by the reason."""

_EXECUTION = {
    "EXECUTION_ARN": '"$(aws stepfunctions list-executions --max-results 1 --output text'
    ' --state-machine-arn "$(output SweepStateMachineArn)" --query "executions[0].executionArn")"'
}
_OLD_POLICY = (
    """aws iot create-policy --policy-name OLD_NAME --policy-document '{"Version": "2012-10-17", "Statement": []}'"""
)

RUN: dict[str, Run] = {
    "pubsub adopt --identity-pool-id eu-west-1:0f...": Run(
        replaced={"eu-west-1:0f...": "identity pool of the project"}
    ),
    "pubsub adopt --user-pool-id eu-west-1_AbC": Run(replaced={"eu-west-1_AbC": "user pool of the project"}),
    (
        "aws cognito-idp admin-create-user --user-pool-id $USER_POOL_ID --username ada --message-action SUPPRESS "
        "--user-attributes Name=email,Value=ada@example.com"
    ): Run(setup="aws cognito-idp admin-delete-user --user-pool-id $USER_POOL_ID --username ada"),
    "pubsub attach --identity-id eu-west-1:...": Run(replaced={"eu-west-1:...": "identity id of ada"}),
    "pubsub detach --user ada": Run(replaced={"ada": "ada --yes"}),
    "pubsub doctor --user ada --password-stdin": Run(stdin=PASSWORD),
    "pubsub doctor --id-token token.jwt --topic 'room/#' --client-id tablet-7 --package-json package.json": Run(
        replaced={"package.json": "examples/amplify-web/package.json"}
    ),
    (
        "pubsub doctor --user-pool-id eu-west-1_AbC --identity-pool-id eu-west-1:0f... --policy-name myIoTPolicy "
        "--endpoint abc123-ats.iot.eu-west-1.amazonaws.com --user ada"
    ): Run(
        replaced={
            "eu-west-1_AbC": "UserPoolId",
            "eu-west-1:0f...": "IdentityPoolId",
            "abc123-ats.iot.eu-west-1.amazonaws.com": "PubSubEndpoint",
        }
    ),
    "pubsub subscribe 'orders/#'": Run(code=INTERRUPTED, until="subscribed to"),
    "pubsub subscribe orders/1 --count 1 --timeout 60 --json --user ada --password-stdin": Run(
        stdin=PASSWORD, until="subscribed to"
    ),
    'aws sqs get-queue-attributes --queue-url "$(output RetryQueueUrl)" --attribute-names All': Run(
        # The AWS CLI's first version does not take AWS_ENDPOINT_URL for this one service.
        replaced={"aws sqs": 'aws sqs --endpoint-url "$AWS_ENDPOINT_URL"'}
    ),
    "aws stepfunctions describe-execution --execution-arn EXECUTION_ARN --query '[error,cause]'": Run(
        setup="pubsub sweep", replaced=_EXECUTION
    ),
    "aws stepfunctions describe-execution --execution-arn EXECUTION_ARN --query '[input,output,cause]'": Run(
        replaced=_EXECUTION
    ),
    "aws iot delete-policy --policy-name OLD_NAME": Run(setup=_OLD_POLICY),
    "aws iot list-targets-for-policy --policy-name OLD_NAME": Run(setup=_OLD_POLICY),
    (
        "curl $AWS_ENDPOINT_URL/_local_cloud/faults -d "
        '\'{"faults": [{"operations": ["iot:AttachPolicy"], "rate": 15}], "policy_propagation_seconds": 30}\''
    ): Run(needs="curl"),
    "curl $AWS_ENDPOINT_URL/_local_cloud/faults": Run(needs="curl"),
    'curl -X DELETE "$AWS_ENDPOINT_URL/_local_cloud/faults?operation=iot:AttachPolicy"': Run(needs="curl"),
    "pubsub subscribe 'chat/#' --count 2 --user alice --password-stdin <<<\"$PASSWORD\"": Run(
        until="subscribed to", writes="hello from bob"
    ),
    "pubsub subscribe 'chat/#' --count 2 --user bob --password-stdin <<<\"$PASSWORD\"": Run(
        until="subscribed to", writes="hello from alice"
    ),
    "pubsub doctor --policy-file policy.json --topic room/1 --client-id tablet-7": Run(
        setup="aws iot get-policy --policy-name myIoTPolicy > policy.json"
    ),
    "pubsub doctor --user bob --only PS203": Run(code=1, writes="pubsub attach --stack AmplifyPubSub --user bob"),
}
