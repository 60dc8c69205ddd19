"""How the commands are run that are not run as they stand; a command that is not here is.

What stands in a page for something of the reader's own is replaced: a name on the left by what is meant on the right,
which is an output of the stack, one of `tests.docs.reader`, or a piece of shell.
"""

from __future__ import annotations

from tests.docs.how import Elsewhere, How, NotRun, Run
from tests.docs.shell import INTERRUPTED

PASSWORD = "Her-passw0rd-of-yours"  # noqa: S105 - the one that the pages give
_ACCOUNT = "it deploys to a real account, and the local cloud is none"
_SLOW = "it takes its time, and once is enough"
_ASKS = "it asks, and nobody is there to answer"
_CLOUD = "the cloud on which all the other commands are run is made and ended by it, once"
_QUOTAS = NotRun("the local cloud has no Service Quotas")
_POOL = {"POOL": "UserPoolId"}
_EXECUTION = {
    "EXECUTION_ARN": '"$(aws stepfunctions list-executions --max-results 1 --output text'
    ' --state-machine-arn "$(output SweepStateMachineArn)" --query "executions[0].executionArn")"'
}
_OLD_POLICY = (
    """aws iot create-policy --policy-name OLD_NAME --policy-document '{"Version": "2012-10-17", "Statement": []}'"""
)
_DEPLOYED = Elsewhere(
    "tests/e2e/test_deployment.py::test_production_is_deployed_proven_protected_and_destroyed", _ACCOUNT
)
_BESIDE = Elsewhere(
    "tests/e2e/test_environments.py::test_environment_of_a_pull_request_comes_and_goes_beside_production", _ACCOUNT
)
_CLEAN = "it is run in an environment that has the wheel and nothing of the repository"
_RELEASED = Elsewhere(
    "tests/e2e/test_released_package.py::test_examples_own_stack_passes_its_tests_the_smoke_test_and_the_doctor", _CLEAN
)
_WATCHED = Elsewhere(
    "tests/e2e/test_adoption.py::test_settings_of_an_adopted_project_change_and_destroying_leaves_it_as_it_was",
    "only a deployment on adopted pools has that function",
)

TABLE: dict[str, How] = {
    # Deployments
    "make smoke": Elsewhere(
        "tests/e2e/test_loopback.py::test_a_poisoned_environment_is_left_alone",
        "it makes a cloud of its own",
    ),
    "make test": NotRun("it is what runs this test"),
    "make local": Elsewhere("tests/docs/test_commands.py::checkout", _CLOUD),
    "make local-down": Elsewhere("tests/docs/test_commands.py::checkout", _CLOUD),
    "make demo": Elsewhere(
        "tests/browser/test_demo.py::test_two_users_are_ready_and_only_the_web_server_ends", "it needs a browser"
    ),
    "make deploy PROFILE=acme REGION=eu-west-1": _DEPLOYED,
    "make destroy PROFILE=acme REGION=eu-west-1": _DEPLOYED,
    "make deploy PROFILE=acme REGION=eu-west-1 ENVIRONMENT=prod": Elsewhere(
        "tests/e2e/test_deployment.py::test_production_is_deployed_proven_protected_and_destroyed", _ACCOUNT
    ),
    "make deploy ENVIRONMENT=prod YES=1 JUNIT=smoke.xml": _BESIDE,
    "make destroy ENVIRONMENT=pr-7 YES=1": _BESIDE,
    # examples/cdk-app and docs/constructs.md
    "python -m build --wheel": _RELEASED,
    "python -m pip install --find-links DIST --requirement requirements.txt": Elsewhere(
        "tests/e2e/test_released_package.py::test_everything_comes_from_the_wheel",
        "the wheel is installed there by uv, with the versions of requirements-dev.txt",
    ),
    "python -m pytest": Elsewhere(
        "tests/e2e/test_released_package.py::test_examples_own_stack_passes_its_tests_the_smoke_test_and_the_doctor",
        _CLEAN,
    ),
    "npx cdk deploy": Elsewhere(_RELEASED.test, f"{_CLEAN}; the stack is deployed there without the CDK CLI"),
    "pubsub smoke --stack Orders": _RELEASED,
    "npx cdk deploy --profile acme": Elsewhere("tests/docs/test_commands.py::checkout", _ACCOUNT),
    "npx cdk destroy": Elsewhere(
        "tests/e2e/test_deployment.py::test_production_is_deployed_proven_protected_and_destroyed",
        "what all the other commands are run on would go",
    ),
    "pubsub smoke --profile acme --region eu-west-1 --timeout 600": Elsewhere(
        "tests/e2e/test_smoke.py::test_json_document_is_that_of_the_contract", _ACCOUNT
    ),
    "pubsub doctor --profile acme --region eu-west-1": Elsewhere(
        "tests/e2e/doctor/test_doctor.py::test_nothing_is_found_and_nothing_is_changed", _ACCOUNT
    ),
    # Front ends
    "pubsub outputs --format amplify-outputs --profile PROFILE --region REGION --file amplify_outputs.json": Elsewhere(
        "tests/e2e/test_outputs.py::test_amplify_outputs_describe_this_deployment", _ACCOUNT
    ),
    "npm ci": NotRun("it needs the network; `make test` has run it before"),
    "npm run dev": Elsewhere(
        "tests/browser/test_demo.py::test_two_users_are_ready_and_only_the_web_server_ends", "it needs a browser"
    ),
    # Adopting
    "pubsub adopt --identity-pool-id eu-west-1:0f...": Run(put={"eu-west-1:0f...": "identity pool of the project"}),
    "pubsub adopt --user-pool-id eu-west-1_AbC": Run(put={"eu-west-1_AbC": "user pool of the project"}),
    # Users
    "aws cognito-idp admin-create-user --user-pool-id POOL --username ada --message-action SUPPRESS "
    "--user-attributes Name=email,Value=ada@example.com": Run(
        first="aws cognito-idp admin-delete-user --user-pool-id POOL --username ada", put=_POOL
    ),
    "aws cognito-idp admin-set-user-password --user-pool-id POOL --username ada --permanent "
    "--password Her-passw0rd-of-yours": Run(put=_POOL),
    "aws cognito-idp admin-create-user --user-pool-id $USER_POOL_ID --username ada --message-action SUPPRESS "
    "--user-attributes Name=email,Value=ada@example.com": Run(
        first="aws cognito-idp admin-delete-user --user-pool-id $USER_POOL_ID --username ada"
    ),
    "pubsub detach --all": Elsewhere(
        "tests/e2e/test_detach_all.py::test_stack_with_too_many_attached_is_destroyed_after_a_bulk_detachment", _ASKS
    ),
    "pubsub detach --all --per-second 100": Elsewhere(
        "tests/e2e/test_detach_all.py::test_stack_with_too_many_attached_is_destroyed_after_a_bulk_detachment", _ASKS
    ),
    "pubsub attach --identity-id eu-west-1:...": Run(put={"eu-west-1:...": "identity id of ada"}),
    "python examples/python-pubsub/main.py ada": Elsewhere(
        "tests/e2e/test_python_example.py::test_a_message_sent_in_one_module_is_shown_in_another",
        "it asks for the password at a terminal",
    ),
    # Checks
    "pubsub smoke --user ada --password-stdin": Elsewhere(
        "tests/e2e/test_smoke.py::test_an_existing_user_is_used_and_kept", _SLOW
    ),
    "pubsub smoke --json --junit results.xml": Elsewhere(
        "tests/e2e/test_smoke.py::test_the_results_are_written_as_junit_xml", _SLOW
    ),
    "pubsub smoke --skip PS412": Elsewhere("tests/e2e/test_smoke.py::test_a_check_can_be_left_out", _SLOW),
    "pubsub doctor --user ada --password-stdin": Run(typed=PASSWORD),
    "pubsub doctor --id-token token.jwt --topic 'room/#' --client-id tablet-7 --package-json package.json": Run(
        put={"package.json": "examples/amplify-web/package.json"}
    ),
    "pubsub doctor --user ada --fix": Elsewhere(
        "tests/e2e/doctor/test_doctor.py::test_what_is_safe_is_mended_and_looked_at_again", _ASKS
    ),
    "pubsub doctor --user-pool-id eu-west-1_AbC --identity-pool-id eu-west-1:0f... --policy-name myIoTPolicy "
    "--endpoint abc123-ats.iot.eu-west-1.amazonaws.com --user ada": Run(
        put={
            "eu-west-1_AbC": "UserPoolId",
            "eu-west-1:0f...": "IdentityPoolId",
            "abc123-ats.iot.eu-west-1.amazonaws.com": "PubSubEndpoint",
        }
    ),
    # Messages
    "pubsub subscribe 'orders/#'": Run(code=INTERRUPTED, until="subscribed to"),
    "pubsub subscribe orders/1 --count 1 --timeout 60 --json --user ada --password-stdin": Run(
        typed=PASSWORD, until="subscribed to"
    ),
    "pubsub publish --topic frames --bytes-from frame.jpg --broker wss://broker.example/mqtt": Elsewhere(
        "tests/integration/brokers/test_commands.py::test_every_option_leads_to_the_broker", "there is no such broker"
    ),
    # Operations
    "pubsub sweep --full": Elsewhere(
        "tests/e2e/test_sweep.py::test_full_sweep_attaches_detached_policies_again",
        _SLOW,
    ),
    "pubsub sweep --users": Elsewhere(
        "tests/e2e/test_sweep.py::test_sweep_of_users_queues_those_without_an_identity", _SLOW
    ),
    "pubsub sweep --resume": Elsewhere(
        "tests/e2e/test_sweep.py::test_paused_sweep_attaches_nobody_until_it_is_resumed", _SLOW
    ),
    "pubsub redrive --wait": Elsewhere(
        "tests/e2e/test_redrive.py::test_dead_letter_sets_off_the_alarm_and_redrive_attaches_it", _ASKS
    ),
    'aws sqs get-queue-attributes --queue-url "$(output RetryQueueUrl)" --attribute-names All': Run(
        # The AWS CLI's first version does not take AWS_ENDPOINT_URL for this one service.
        put={"aws sqs": 'aws sqs --endpoint-url "$AWS_ENDPOINT_URL"'}
    ),
    "aws stepfunctions describe-execution --execution-arn EXECUTION_ARN --query '[error,cause]'": Run(
        first="pubsub sweep", put=_EXECUTION
    ),
    "aws stepfunctions describe-execution --execution-arn EXECUTION_ARN --query '[input,output,cause]'": Run(
        put=_EXECUTION
    ),
    "aws iot delete-policy --policy-name OLD_NAME": Run(first=_OLD_POLICY),
    "aws iot list-targets-for-policy --policy-name OLD_NAME": Run(first=_OLD_POLICY),
    "lines WiringWatch '{ $.WiringLost > 0 }'": _WATCHED,
    "lines WiringWatch '?ERROR ?\"Task timed out\"'": _WATCHED,
    # The local cloud
    "curl $AWS_ENDPOINT_URL/_local_cloud/faults -d "
    '\'{"faults": [{"operations": ["iot:AttachPolicy"], "rate": 15}], "policy_propagation_seconds": 30}\'': Run(
        needs="curl"
    ),
    "curl $AWS_ENDPOINT_URL/_local_cloud/faults": Run(needs="curl"),
    'curl -X DELETE "$AWS_ENDPOINT_URL/_local_cloud/faults?operation=iot:AttachPolicy"': Run(needs="curl"),
    ".venv/bin/uv pip install ministack==X.Y.Z": NotRun("it is for a version that is not out yet"),
    ".venv/bin/python -m pytest tests/unit/local_cloud tests/integration/local_cloud": NotRun("`make test` runs these"),
    # Quotas
    "aws service-quotas list-service-quotas --service-code iot "
    "--query \"Quotas[?QuotaName=='AttachPolicy API TPS'].[QuotaCode,Value,Adjustable]\" --output text": _QUOTAS,
    "aws service-quotas list-service-quotas --service-code cognito-identity "
    "--query \"Quotas[?QuotaName=='Rate of GetId requests'].[QuotaCode,Value,Adjustable]\" --output text": _QUOTAS,
    "aws service-quotas request-service-quota-increase --service-code iot --quota-code CODE "
    "--desired-value 150": _QUOTAS,
    "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
    "--desired-value 1000": _QUOTAS,
    # The tutorial
    "pubsub subscribe 'chat/#' --count 2 --user alice --password-stdin <<<\"$PASSWORD\"": Run(
        until="subscribed to", says="hello from bob"
    ),
    "pubsub subscribe 'chat/#' --count 2 --user bob --password-stdin <<<\"$PASSWORD\"": Run(
        until="subscribed to", says="hello from alice"
    ),
    "pubsub doctor --user bob --only PS203": Run(code=1, says="pubsub attach --stack AmplifyPubSub --user bob"),
}
