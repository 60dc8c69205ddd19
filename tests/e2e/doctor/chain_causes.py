"""A part that every attachment needs was disabled, changed or deleted: key, parameter, function, queue, route, rule."""

from __future__ import annotations

import uuid
from typing import Any

from pubsub_client.outputs import Output
from tests.e2e.doctor.asked import Asked, about_nobody
from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.patient import Patient, Stage
from tests.e2e.doctor.sign_in_causes import newcomer


def _resource(patient: Patient, resource_type: str, part: str = "") -> str:
    """Return the physical id of the stack's resource of a type."""
    pages = patient.client("cloudformation").get_paginator("list_stack_resources")
    (found,) = (
        each["PhysicalResourceId"]
        for page in pages.paginate(StackName=patient.deployment.app.stack_name)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == resource_type and part in each["LogicalResourceId"]
    )
    return str(found)


def _key(patient: Patient) -> str:
    return _resource(patient, "AWS::KMS::Key")


def _disable_the_key(patient: Patient) -> None:
    patient.client("kms").disable_key(KeyId=_key(patient))


def _newcomer_who_is_given_up(patient: Patient) -> Stage:
    """What somebody sees who signs in for the first time, and whose attachment becomes a dead letter."""
    stage = newcomer(patient)
    patient.deployment.drain_queues()
    return stage


def _schedule_the_keys_deletion(patient: Patient) -> None:
    patient.client("kms").schedule_key_deletion(KeyId=_key(patient), PendingWindowInDays=7)


def _parameter(patient: Patient, name: str) -> str:
    return f"/{patient.deployment.app.stack_name}/{name}"


def _set_variable(patient: Patient, **variables: str) -> None:
    """Give the trigger other environment variables."""
    now = patient.functions.get_function_configuration(FunctionName=patient.trigger)["Environment"]["Variables"]
    patient.functions.update_function_configuration(
        FunctionName=patient.trigger, Environment={"Variables": now | variables}
    )
    patient.wait_until_updated(patient.trigger)


def _restart(patient: Patient) -> None:
    """Let the functions forget the parameters that they have read, as they do after some minutes."""
    _set_variable(patient, RESTARTED=uuid.uuid4().hex)


def _delete_the_configuration(patient: Patient) -> None:
    patient.client("ssm").delete_parameter(Name=_parameter(patient, "sign-in-attachment"))
    _restart(patient)


def _empty_the_configuration(patient: Patient) -> None:
    patient.client("ssm").put_parameter(Name=_parameter(patient, "sign-in-attachment"), Value="{}", Overwrite=True)
    _restart(patient)


def _delete_the_pause_parameter(patient: Patient) -> None:
    patient.client("ssm").delete_parameter(Name=_parameter(patient, "attachment-paused"))
    _restart(patient)


def _pause(patient: Patient) -> None:
    ssm, name = patient.client("ssm"), _parameter(patient, "attachment-paused")
    ssm.put_parameter(Name=name, Value="true", Overwrite=True)
    patient.cleanup.callback(ssm.put_parameter, Name=name, Value="false", Overwrite=True)
    _restart(patient)


def _newcomer_once_it_is_read(patient: Patient) -> Stage:
    """What somebody sees who signs in for the first time when the functions have read the pause parameter again."""
    _restart(patient)
    return newcomer(patient)


def _worker(patient: Patient) -> str:
    return str(patient.worker_mapping["FunctionArn"])


def _throttle(patient: Patient, function: str) -> None:
    patient.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    patient.cleanup.callback(patient.functions.delete_function_concurrency, FunctionName=function)


def _throttle_the_trigger(patient: Patient) -> None:
    _throttle(patient, patient.trigger)


def _throttle_the_worker(patient: Patient) -> None:
    _throttle(patient, _worker(patient))


def _break_the_worker(patient: Patient) -> None:
    worker = _worker(patient)
    patient.functions.update_function_configuration(FunctionName=worker, Handler="gone.handler")
    patient.wait_until_updated(worker)


def _give_the_trigger_another_key(patient: Patient) -> None:
    _set_variable(patient, MAC_KEY_ID="another")


def _delete_the_triggers_log_group(patient: Patient) -> None:
    function = patient.functions.get_function_configuration(FunctionName=patient.trigger)
    patient.client("logs").delete_log_group(logGroupName=function["LoggingConfig"]["LogGroup"])


def _route(patient: Patient) -> dict[str, Any]:
    """Return what names the route of self-attach."""
    api = _resource(patient, "AWS::ApiGatewayV2::Api")
    (route,) = patient.client("apigatewayv2").get_routes(ApiId=api)["Items"]
    return {"ApiId": api, "RouteId": route["RouteId"]}


def _delete_the_route(patient: Patient) -> None:
    patient.client("apigatewayv2").delete_route(**_route(patient))


def _open_the_route(patient: Patient) -> None:
    patient.client("apigatewayv2").update_route(**_route(patient), AuthorizationType="NONE")


def _forbid_api_gateway(patient: Patient) -> None:
    function = _resource(patient, "AWS::Lambda::Function", "SelfAttachFunction")
    statement = _resource(patient, "AWS::Lambda::Permission", "SelfAttach")
    patient.functions.remove_permission(FunctionName=function, StatementId=statement)


def _self_attaches(patient: Patient) -> Stage:
    """What a user sees who has the policy attached by the route."""
    if patient.policy in patient.deployment.attached_policies(patient.identity_id):
        patient.iot.detach_policy(policyName=patient.policy, target=patient.identity_id)
    answer = patient.deployment.self_attach(patient.deployment.credentials(patient.tokens))
    return patient.chat(patient.tokens) if answer.status == 200 else Stage.CONNECT


def _delete(patient: Patient, queue: Output) -> None:
    patient.client("sqs").delete_queue(QueueUrl=patient.deployment.outputs[queue])


def _delete_the_retry_queue(patient: Patient) -> None:
    _delete(patient, Output.RETRY_QUEUE_URL)


def _delete_the_dead_letter_queue(patient: Patient) -> None:
    _delete(patient, Output.DEAD_LETTER_QUEUE_URL)


def _take_the_redrive_policy_away(patient: Patient) -> None:
    patient.client("sqs").set_queue_attributes(
        QueueUrl=patient.deployment.outputs[Output.RETRY_QUEUE_URL], Attributes={"RedrivePolicy": ""}
    )


def _at_the_endpoint(patient: Patient) -> Asked:
    """Name the endpoint: version 1 of the AWS CLI takes no other one for SQS."""
    return about_nobody(patient).and_("--endpoint-url", patient.deployment.cloud.endpoint_url)


def _report_no_failures(patient: Patient) -> None:
    patient.functions.update_event_source_mapping(UUID=patient.worker_mapping["UUID"], FunctionResponseTypes=[])


def _rule(patient: Patient) -> str:
    return _resource(patient, "AWS::Events::Rule").rpartition("/")[2]


def _disable_the_schedule(patient: Patient) -> None:
    patient.client("events").disable_rule(Name=_rule(patient))


def _let_the_schedule_start_nothing(patient: Patient) -> None:
    patient.client("events").remove_targets(Rule=_rule(patient), Ids=["Target0"])


_NUMBER = 31
_PUT, _UPDATE = "aws ssm put-parameter", "aws lambda update-function-configuration"

CAUSES = [
    Cause(
        _NUMBER,
        "the MAC key is disabled",
        "`kms:DisableKey`",
        "PS125",
        r"The MAC key [\w-]+ is disabled: .* no sign-in attaches the policy",
        ("aws kms enable-key",),
        symptom=Stage.CONNECT,
        make=_disable_the_key,
        ask=about_nobody,
        see=_newcomer_who_is_given_up,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the MAC key waits for its deletion",
        "`kms:ScheduleKeyDeletion`",
        "PS125",
        r"waits for its deletion",
        ("aws kms cancel-key-deletion", "aws kms enable-key"),
        symptom=Stage.CONNECT,
        make=_schedule_the_keys_deletion,
        ask=about_nobody,
        see=_newcomer_who_is_given_up,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the trigger's parameter is gone",
        "`ssm:DeleteParameter`",
        "PS126",
        r"/sign-in-attachment does not exist: the trigger does not know its pools",
        (_PUT,),
        make=_delete_the_configuration,
        ask=about_nobody,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the trigger's parameter says nothing",
        "`ssm:PutParameter` with `{}`",
        "PS126",
        r"lacks userPoolProvider, internalClientId, identityPoolId",
        (_PUT, _UPDATE, _UPDATE, _UPDATE),
        make=_empty_the_configuration,
        ask=about_nobody,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the pause parameter is gone",
        "`ssm:DeleteParameter`",
        "PS126",
        r"The pause flag /\w+/attachment-paused does not exist",
        (_PUT,),
        make=_delete_the_pause_parameter,
        ask=about_nobody,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "attachment is paused",
        "`ssm:PutParameter` with `true`, as `pubsub detach --all` does",
        "PS126",
        r"Attachment is paused \(/\w+/attachment-paused is true\)",
        ("pubsub sweep",),
        symptom=Stage.CONNECT,
        make=_pause,
        ask=about_nobody,
        see=newcomer,
        works=_newcomer_once_it_is_read,
    ),
    Cause(
        _NUMBER,
        "the trigger is throttled",
        "`lambda:PutFunctionConcurrency` with 0",
        "PS127",
        r"The reserved concurrency of \S+ is 0, .* every sign-in fails",
        ("aws lambda delete-function-concurrency",),
        symptom=Stage.SIGN_IN,
        make=_throttle_the_trigger,
        ask=about_nobody,
        see=newcomer,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the trigger uses another key",
        "`lambda:UpdateFunctionConfiguration` with another `MAC_KEY_ID`",
        "PS119",
        r"MAC_KEY_ID another instead of",
        (_UPDATE,),
        make=_give_the_trigger_another_key,
        ask=about_nobody,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the trigger's log group is gone",
        "`logs:DeleteLogGroup`",
        "PS128",
        r"The log group \S+ does not exist: \S+ can log nothing",
        ("aws logs create-log-group", "aws logs put-retention-policy"),
        make=_delete_the_triggers_log_group,
        ask=about_nobody,
        works=newcomer,
        status="warning",
    ),
    Cause(
        _NUMBER,
        "the route of self-attach is gone",
        "`apigatewayv2:DeleteRoute`",
        "PS129",
        r"has no route POST /self-attach",
        ("aws apigatewayv2 create-route",),
        symptom=Stage.CONNECT,
        make=_delete_the_route,
        ask=about_nobody,
        see=_self_attaches,
        works=_self_attaches,
    ),
    Cause(
        _NUMBER,
        "the route of self-attach is open",
        "`apigatewayv2:UpdateRoute` without authorization",
        "PS129",
        r"is authorized by NONE, not AWS_IAM",
        ("aws apigatewayv2 update-route",),
        symptom=Stage.CONNECT,
        make=_open_the_route,
        ask=about_nobody,
        see=_self_attaches,
        works=_self_attaches,
    ),
    Cause(
        _NUMBER,
        "API Gateway may not invoke the function of self-attach",
        "`lambda:RemovePermission`",
        "PS129",
        r"API Gateway may not invoke",
        ("aws lambda add-permission",),
        make=_forbid_api_gateway,
        ask=about_nobody,
        works=_self_attaches,
    ),
    Cause(
        _NUMBER,
        "the retry queue is gone",
        "`sqs:DeleteQueue`",
        "PS603",
        r"does not exist: what a sign-in cannot attach in time is lost",
        ("aws sqs create-queue",),
        make=_delete_the_retry_queue,
        ask=_at_the_endpoint,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the dead-letter queue is gone",
        "`sqs:DeleteQueue`",
        "PS603",
        r"does not exist: an attachment that keeps failing is lost",
        ("aws sqs create-queue",),
        make=_delete_the_dead_letter_queue,
        ask=_at_the_endpoint,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the retry queue has no redrive policy",
        "`sqs:SetQueueAttributes`",
        "PS603",
        r"The redrive policy of \S+ is missing",
        ("aws sqs set-queue-attributes",),
        make=_take_the_redrive_policy_away,
        ask=_at_the_endpoint,
        works=newcomer,
    ),
    Cause(
        _NUMBER,
        "the worker is throttled",
        "`lambda:PutFunctionConcurrency` with 0",
        "PS606",
        r"The reserved concurrency of \S+ is 0, .* pending attachments stay in the retry queue",
        ("aws lambda delete-function-concurrency",),
        make=_throttle_the_worker,
        ask=about_nobody,
    ),
    Cause(
        _NUMBER,
        "the worker fails",
        "`lambda:UpdateFunctionConfiguration` with a handler that is not there",
        "PS606",
        r"Handler gone\.handler instead of attachment_retry\.handler",
        (_UPDATE,),
        make=_break_the_worker,
        ask=about_nobody,
    ),
    Cause(
        _NUMBER,
        "the retry queue's event source reports no batch item failures",
        "`lambda:UpdateEventSourceMapping` without `ReportBatchItemFailures`",
        "PS602",
        r"does not report batch item failures",
        ("aws lambda update-event-source-mapping",),
        make=_report_no_failures,
        ask=about_nobody,
    ),
    Cause(
        _NUMBER,
        "the sweep's schedule is disabled",
        "`events:DisableRule`",
        "PS605",
        r"The rule \S+ is disabled: AmplifyPubSub-sweep does not start by itself",
        ("aws events enable-rule",),
        make=_disable_the_schedule,
        ask=about_nobody,
    ),
    Cause(
        _NUMBER,
        "the sweep's schedule starts nothing",
        "`events:RemoveTargets`",
        "PS605",
        r"The rule \S+ does not start AmplifyPubSub-sweep",
        ("aws events put-targets",),
        make=_let_the_schedule_start_nothing,
        ask=about_nobody,
    ),
]
