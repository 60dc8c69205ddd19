"""A resource that attachments depend on was disabled, changed or deleted: key, parameter, function, queue, route, rule.

Other faults of these resources are tested in ``tests/unit/pubsub_cli/checks``.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from pubsub_client.outputs import Output
from tests.e2e.doctor.doctor_run import DoctorOptions, without_user
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage


def _resource(user: SimulatedUser, resource_type: str, part: str = "") -> str:
    return user.deployment.resource(resource_type, part)


def _disable_key(user: SimulatedUser) -> None:
    user.client("kms").disable_key(KeyId=_resource(user, "AWS::KMS::Key"))


def _first_sign_in_without_dead_letter(user: SimulatedUser) -> Stage:
    stage = user.first_sign_in()
    user.deployment.drain_queues()
    return stage


def _restart_trigger(user: SimulatedUser) -> None:
    """Let the trigger read its parameters again, as it does after some time."""
    variables = user.functions.get_function_configuration(FunctionName=user.trigger)["Environment"]["Variables"]
    user.functions.update_function_configuration(
        FunctionName=user.trigger, Environment={"Variables": variables | {"RESTARTED": uuid.uuid4().hex}}
    )
    user.wait_until_updated(user.trigger)


def _delete_configuration(user: SimulatedUser) -> None:
    user.client("ssm").delete_parameter(Name=f"/{user.deployment.app.stack_name}/sign-in-attachment")
    _restart_trigger(user)


def _pause(user: SimulatedUser) -> None:
    ssm, name = user.client("ssm"), f"/{user.deployment.app.stack_name}/attachment-paused"
    ssm.put_parameter(Name=name, Value="true", Overwrite=True)


def _first_sign_in_after_restart(user: SimulatedUser) -> Stage:
    _restart_trigger(user)
    return user.first_sign_in()


def _reserve_no_concurrency(user: SimulatedUser, *, worker: bool) -> None:
    function = user.worker_mapping["FunctionArn"] if worker else user.trigger
    user.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)


def _delete_log_group(user: SimulatedUser) -> None:
    function = user.functions.get_function_configuration(FunctionName=user.trigger)
    user.client("logs").delete_log_group(logGroupName=function["LoggingConfig"]["LogGroup"])


def _route(user: SimulatedUser) -> dict[str, Any]:
    api = _resource(user, "AWS::ApiGatewayV2::Api")
    (route,) = user.client("apigatewayv2").get_routes(ApiId=api)["Items"]
    return {"ApiId": api, "RouteId": route["RouteId"]}


def _delete_route(user: SimulatedUser) -> None:
    user.client("apigatewayv2").delete_route(**_route(user))


def _remove_route_authorization(user: SimulatedUser) -> None:
    user.client("apigatewayv2").update_route(**_route(user), AuthorizationType="NONE")


def _remove_api_permission(user: SimulatedUser) -> None:
    function = _resource(user, "AWS::Lambda::Function", "SelfAttachFunction")
    statement = _resource(user, "AWS::Lambda::Permission", "SelfAttach")
    user.functions.remove_permission(FunctionName=function, StatementId=statement)


def _self_attach(user: SimulatedUser) -> Stage:
    if user.policy in user.deployment.attached_policies(user.identity_id):
        user.detach()
    answer = user.deployment.self_attach(user.deployment.credentials(user.tokens))
    return user.send_message() if answer.status == 200 else Stage.CONNECT


def _delete_queue(user: SimulatedUser, *, queue: Output) -> None:
    user.client("sqs").delete_queue(QueueUrl=user.deployment.outputs[queue])


def _remove_redrive_policy(user: SimulatedUser) -> None:
    user.client("sqs").set_queue_attributes(
        QueueUrl=user.deployment.outputs[Output.RETRY_QUEUE_URL], Attributes={"RedrivePolicy": ""}
    )


def _with_endpoint_url(user: SimulatedUser) -> DoctorOptions:
    """Name the endpoint: version 1 of the AWS CLI ignores ``AWS_ENDPOINT_URL`` for SQS."""
    return without_user(user).plus("--endpoint-url", user.deployment.cloud.endpoint_url)


def _report_no_batch_failures(user: SimulatedUser) -> None:
    user.functions.update_event_source_mapping(UUID=user.worker_mapping["UUID"], FunctionResponseTypes=[])


def _disable_schedule(user: SimulatedUser) -> None:
    user.client("events").disable_rule(Name=_resource(user, "AWS::Events::Rule").rpartition("/")[2])


_scenario = partial(FailureScenario, 31)

SCENARIOS = [
    _scenario(
        "the MAC key is disabled",
        "`kms:DisableKey`",
        "PS125",
        r"The MAC key [\w-]+ is disabled: .* no sign-in attaches the policy",
        ("aws kms enable-key",),
        break_it=_disable_key,
        symptom=Stage.CONNECT,
        options=without_user,
        observe=_first_sign_in_without_dead_letter,
    ),
    _scenario(
        "the trigger's parameter was deleted",
        "`ssm:DeleteParameter`",
        "PS126",
        r"/sign-in-attachment does not exist",
        ("aws ssm put-parameter",),
        break_it=_delete_configuration,
        options=without_user,
        observe=SimulatedUser.first_sign_in,
    ),
    _scenario(
        "attachment is paused",
        "`ssm:PutParameter` with `true`, as `pubsub detach --all` does",
        "PS126",
        r"Attachment is paused \(/\w+/attachment-paused is true\)",
        ("pubsub sweep",),
        break_it=_pause,
        symptom=Stage.CONNECT,
        options=without_user,
        observe=_first_sign_in_after_restart,
    ),
    _scenario(
        "the trigger is throttled",
        "`lambda:PutFunctionConcurrency` with 0",
        "PS127",
        r"The reserved concurrency of \S+ is 0, .* every sign-in fails",
        ("aws lambda delete-function-concurrency",),
        break_it=partial(_reserve_no_concurrency, worker=False),
        symptom=Stage.SIGN_IN,
        options=without_user,
        observe=SimulatedUser.first_sign_in,
    ),
    _scenario(
        "the trigger's log group was deleted",
        "`logs:DeleteLogGroup`",
        "PS128",
        r"The log group \S+ does not exist",
        ("aws logs create-log-group", "aws logs put-retention-policy"),
        break_it=_delete_log_group,
        options=without_user,
        observe=SimulatedUser.first_sign_in,
        status="warning",
    ),
    _scenario(
        "the self-attach route was deleted",
        "`apigatewayv2:DeleteRoute`",
        "PS129",
        r"has no route POST /self-attach",
        ("aws apigatewayv2 create-route",),
        break_it=_delete_route,
        symptom=Stage.CONNECT,
        options=without_user,
        observe=_self_attach,
    ),
    _scenario(
        "the self-attach route needs no authorization",
        "`apigatewayv2:UpdateRoute` without authorization",
        "PS129",
        r"is authorized by NONE, not AWS_IAM",
        ("aws apigatewayv2 update-route",),
        break_it=_remove_route_authorization,
        symptom=Stage.CONNECT,
        options=without_user,
        observe=_self_attach,
    ),
    _scenario(
        "API Gateway may not invoke the self-attach function",
        "`lambda:RemovePermission`",
        "PS129",
        r"API Gateway may not invoke",
        ("aws lambda add-permission",),
        break_it=_remove_api_permission,
        options=without_user,
        observe=_self_attach,
    ),
    _scenario(
        "the retry queue was deleted",
        "`sqs:DeleteQueue`",
        "PS603",
        r"does not exist: attachments that a sign-in cannot complete in time are lost",
        ("aws sqs create-queue",),
        break_it=partial(_delete_queue, queue=Output.RETRY_QUEUE_URL),
        options=_with_endpoint_url,
        observe=SimulatedUser.first_sign_in,
    ),
    _scenario(
        "the dead-letter queue was deleted",
        "`sqs:DeleteQueue`",
        "PS603",
        r"does not exist: an attachment that keeps failing is lost",
        ("aws sqs create-queue",),
        break_it=partial(_delete_queue, queue=Output.DEAD_LETTER_QUEUE_URL),
        options=_with_endpoint_url,
    ),
    _scenario(
        "the retry queue has no redrive policy",
        "`sqs:SetQueueAttributes`",
        "PS603",
        r"The redrive policy of \S+ is missing",
        ("aws sqs set-queue-attributes",),
        break_it=_remove_redrive_policy,
        options=_with_endpoint_url,
    ),
    _scenario(
        "the worker is throttled",
        "`lambda:PutFunctionConcurrency` with 0",
        "PS606",
        r"The reserved concurrency of \S+ is 0, .* pending attachments stay in the retry queue",
        ("aws lambda delete-function-concurrency",),
        break_it=partial(_reserve_no_concurrency, worker=True),
        options=without_user,
    ),
    _scenario(
        "the retry queue's event source reports no batch item failures",
        "`lambda:UpdateEventSourceMapping` without `ReportBatchItemFailures`",
        "PS602",
        r"does not report batch item failures",
        ("aws lambda update-event-source-mapping",),
        break_it=_report_no_batch_failures,
        options=without_user,
    ),
    _scenario(
        "the sweep's schedule is disabled",
        "`events:DisableRule`",
        "PS605",
        r"The rule \S+ is disabled: AmplifyPubSub-sweep does not start automatically",
        ("aws events enable-rule",),
        break_it=_disable_schedule,
        options=without_user,
    ),
]
