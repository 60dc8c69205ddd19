"""What the causes change of the deployment, taken down before and put back after each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pubsub_client.outputs import Output
from tests.e2e.doctor.patient import Patient

_NOT_SETTINGS = {
    "ResponseMetadata", "CreationDate", "LastModifiedDate", "ClientSecret", "Id", "Arn", "Name", "SchemaAttributes",
    "EstimatedNumberOfUsers", "UsernameAttributes", "AliasAttributes", "UsernameConfiguration",
}  # fmt: skip


READS = re.compile(r"(Admin)?(Get|List|Describe|Simulate|Test|Filter|Receive)|GET$")
"""What the operations are called that change nothing."""


@dataclass(frozen=True)
class _Part:
    """A part of the deployment: the service that keeps it, how it is read, and how it is set to what was read."""

    service: str
    read: Callable[[], Any]
    set: Callable[[Any], Any]


class Restorer:
    """Knows the deployment as it was when this was made."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self.learn()

    def learn(self) -> None:
        """Take the deployment as it is now."""
        self._parts = _parts(self._patient)
        self._known = [part.read() for part in self._parts]
        self._calls = self._patient.deployment.cloud.calls()

    def restore(self) -> None:
        """Put back whatever differs where something was called that changes, and let nothing wait."""
        deployment = self._patient.deployment
        deployment.cloud.clear_faults()
        called = (name.split(":", 1) for name in deployment.calls_of(self._calls))
        changed = {service for service, operation in called if not READS.match(operation)}
        for part, known in zip(self._parts, self._known, strict=True):
            if part.service in changed and part.read() != known:
                part.set(known)
        deployment.drain_queues()
        self._calls = deployment.cloud.calls()


def _parts(patient: Patient) -> list[_Part]:
    trigger = patient.functions.get_function_configuration(FunctionName=patient.trigger)
    challenge = patient.users.describe_user_pool(UserPoolId=patient.user_pool_id)["UserPool"]["LambdaConfig"][
        "DefineAuthChallenge"
    ]
    queue = patient.deployment.outputs[Output.RETRY_QUEUE_URL].rpartition("/")[2]
    queue_arn = f"arn:aws:sqs:{patient.deployment.cloud.region}:{patient.deployment.cloud.account_id}:{queue}"
    (mapping,) = patient.functions.list_event_source_mappings(EventSourceArn=queue_arn)["EventSourceMappings"]
    worker = patient.functions.get_function_configuration(FunctionName=mapping["FunctionArn"])
    roles = [patient.auth_role, *(each["Role"].rpartition("/")[2] for each in (trigger, worker))]
    return [
        *(_role(patient, role) for role in roles),
        *(_invocation(patient, function) for function in (trigger["FunctionArn"], challenge)),
        _function(patient, trigger["FunctionArn"]),
        *(_app_client(patient, each) for each in (patient.deployment.client_id, patient.internal_client_id)),
        _user_pool(patient),
        _identity_pool(patient),
        _identity_pool_roles(patient),
        _iot_policy(patient),
        _Part(
            "lambda",
            lambda: patient.functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled",
            lambda enabled: patient.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled),
        ),
    ]


def _role(patient: Patient, name: str) -> _Part:
    iam = patient.iam

    def read() -> dict[str, Any]:
        role = iam.get_role(RoleName=name)["Role"]
        inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {
            "trust": role["AssumeRolePolicyDocument"],
            "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "inline": {each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in inline},
            "attached": {each["PolicyArn"] for each in attached},
        }

    def put(known: dict[str, Any]) -> None:
        now = read()
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(known["trust"]))
        if known["boundary"]:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=known["boundary"])
        for arn in known["attached"] - now["attached"]:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        for arn in now["attached"] - known["attached"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        for policy, document in known["inline"].items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
        for policy in now["inline"].keys() - known["inline"].keys():
            iam.delete_role_policy(RoleName=name, PolicyName=policy)

    return _Part("iam", read, put)


def _invocation(patient: Patient, function_arn: str) -> _Part:
    functions = patient.functions

    def read() -> list[Any]:
        try:
            policy = functions.get_policy(FunctionName=function_arn)["Policy"]
        except functions.exceptions.ResourceNotFoundException:
            return []
        return list(json.loads(policy)["Statement"])

    def put(known: list[Any]) -> None:
        for statement in read():
            functions.remove_permission(FunctionName=function_arn, StatementId=statement["Sid"])
        for statement in known:
            source = next(iter(next(iter(statement["Condition"].values())).values()))
            functions.add_permission(
                FunctionName=function_arn,
                StatementId=statement["Sid"],
                Action=statement["Action"],
                Principal=statement["Principal"]["Service"],
                SourceArn=source,
            )

    return _Part("lambda", read, put)


def _function(patient: Patient, function_arn: str) -> _Part:
    names = ("Handler", "Timeout", "MemorySize", "Environment")

    def read() -> dict[str, Any]:
        configuration = patient.functions.get_function_configuration(FunctionName=function_arn)
        return {name: configuration[name] for name in names}

    def put(known: dict[str, Any]) -> None:
        patient.functions.update_function_configuration(FunctionName=function_arn, **known)
        patient.wait_until_updated(function_arn)

    return _Part("lambda", read, put)


def _settings(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in _NOT_SETTINGS and value not in ("", None)}


def _app_client(patient: Patient, client_id: str) -> _Part:
    where = {"UserPoolId": patient.user_pool_id, "ClientId": client_id}
    return _Part(
        "cognito-idp",
        lambda: _settings(patient.users.describe_user_pool_client(**where)["UserPoolClient"]),
        lambda known: patient.users.update_user_pool_client(**where | known),
    )


def _user_pool(patient: Patient) -> _Part:
    where = {"UserPoolId": patient.user_pool_id}
    return _Part(
        "cognito-idp",
        lambda: _settings(patient.users.describe_user_pool(**where)["UserPool"]),
        lambda known: patient.users.update_user_pool(**where | known),
    )


def _identity_pool(patient: Patient) -> _Part:
    return _Part(
        "cognito-identity",
        lambda: _settings(patient.identities.describe_identity_pool(IdentityPoolId=patient.identity_pool_id)),
        lambda known: patient.identities.update_identity_pool(**known),
    )


def _identity_pool_roles(patient: Patient) -> _Part:
    def read() -> dict[str, Any]:
        answer = patient.identities.get_identity_pool_roles(IdentityPoolId=patient.identity_pool_id)
        return {name: answer.get(name, {}) for name in ("Roles", "RoleMappings")}

    return _Part(
        "cognito-identity",
        read,
        lambda known: patient.identities.set_identity_pool_roles(IdentityPoolId=patient.identity_pool_id, **known),
    )


def _iot_policy(patient: Patient) -> _Part:
    iot, name = patient.iot, patient.policy

    def read() -> list[Any] | None:
        """Return the document in force and how many versions there are."""
        try:
            document = iot.get_policy(policyName=name)["policyDocument"]
        except iot.exceptions.ResourceNotFoundException:
            return None
        return [json.loads(document), len(iot.list_policy_versions(policyName=name)["policyVersions"])]

    def put(known: list[Any]) -> None:
        document = json.dumps(known[0])
        if read() is None:
            iot.create_policy(policyName=name, policyDocument=document)
            return
        versions = iot.list_policy_versions(policyName=name)["policyVersions"]
        for version in versions:
            if not version["isDefaultVersion"]:
                iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])
        (last,) = (each["versionId"] for each in versions if each["isDefaultVersion"])
        iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)
        iot.delete_policy_version(policyName=name, policyVersionId=last)

    return _Part("iot", read, put)
