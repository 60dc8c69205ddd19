"""AWS in memory, for unit tests of the functions that change pools, roles and policies."""

from __future__ import annotations

import hmac
import json
from typing import Any

from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders


class AwsError(Exception):
    """Becomes the error response of a fake service.

    Args:
        code: AWS's error code.
        message: AWS's message.
        status: the HTTP status.
        is_late: the call takes effect despite the error.
    """

    def __init__(self, code: str, message: str = "", *, status: int = 400, is_late: bool = False) -> None:
        super().__init__(code)
        self.code, self.message, self.status, self.is_late = code, message, status, is_late


class FakeService:
    """StubbedAws a boto3 client's calls with the method of that name, without a network.

    Requests are still validated by the SDK, and response members that it does not know are only in the raw response.
    """

    def __init__(self, *clients: Any) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.failures: dict[str, list[Exception | None]] = {}
        """By operation, the errors of its next calls; None is a call that succeeds."""
        for client in clients:
            service = client.meta.service_model.service_id.hyphenize()
            client.meta.events.register(f"before-parameter-build.{service}", self._remember)
            client.meta.events.register(f"before-call.{service}", self._answer)

    @property
    def changes(self) -> list[str]:
        """The operations that were called and do not only read."""
        return [each for each, _ in self.calls if not each.startswith(("describe_", "get_", "list_"))]

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [request for name, request in self.calls if name == operation]

    @staticmethod
    def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["unit_request"] = params

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        operation, request = xform_name(model.name), context["unit_request"]
        self.calls.append((operation, request))
        failures = self.failures.get(operation)
        failure = failures.pop(0) if failures else None
        try:
            if failure and not getattr(failure, "is_late", False):
                raise failure
            answer = getattr(self, operation)(**request) or {}
            if failure:
                raise failure
        except AwsError as error:
            metadata = {"HTTPStatusCode": error.status}
            failed = {"Error": {"Code": error.code, "Message": error.message}, "ResponseMetadata": metadata}
            return _http_response(error.status, failed), failed
        return _http_response(200, answer), _known(answer, model.output_shape)


def _http_response(status: int, body: dict[str, Any]) -> AWSResponse:
    response = AWSResponse("", status, HTTPHeaders(), None)
    response._content = json.dumps(body, default=str).encode()  # type: ignore[attr-defined]
    return response


def _known(answer: Any, shape: Any) -> Any:
    """Return the part of a response that the SDK knows."""
    if getattr(shape, "type_name", "") != "structure":
        return answer
    return {name: _known(value, shape.members[name]) for name, value in answer.items() if name in shape.members}


class FakeSsm(FakeService):
    """Parameters by name."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.values: dict[str, str] = {}

    def put_parameter(self, *, Name: str, Value: str, **_: Any) -> None:  # noqa: N803
        self.values[Name] = Value

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        if Name not in self.values:
            raise AwsError("ParameterNotFound")
        return {"Parameter": {"Name": Name, "Value": self.values[Name]}}

    def get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"Parameters": [{"Name": each, "Value": self.values[each]} for each in Names if each in self.values]}

    def delete_parameter(self, *, Name: str) -> None:  # noqa: N803
        if self.values.pop(Name, None) is None:
            raise AwsError("ParameterNotFound")


class FakeKms(FakeService):
    """The MAC key."""

    def generate_mac(self, *, KeyId: str, MacAlgorithm: str, Message: bytes) -> dict[str, Any]:  # noqa: N803
        assert (KeyId, MacAlgorithm) == ("mac-key", "HMAC_SHA_256")
        return {"Mac": hmac.digest(b"secret", Message, "sha256")}

    def verify_mac(self, *, Mac: bytes, **request: Any) -> dict[str, Any]:  # noqa: N803
        if self.generate_mac(**request)["Mac"] != Mac:
            raise AwsError("KMSInvalidMacException")
        return {"MacValid": True}


class FakeUserPool(FakeService):
    """One user pool.

    Attributes:
        described: what DescribeUserPool returns; None if the pool was deleted.
        groups: the groups by name.
        mfa: what GetUserPoolMfaConfig returns.
        refuses_mfa: UpdateUserPool expects a configuration of SMS with MFA.
        resets_mfa: an update without MFA switches it off.
    """

    def __init__(self, client: Any, described: dict[str, Any], mfa: dict[str, Any]) -> None:
        super().__init__(client)
        self.described: dict[str, Any] | None = described
        self.groups: dict[str, dict[str, Any]] = {}
        self.mfa = mfa
        self.refuses_mfa = self.resets_mfa = False

    @property
    def triggers(self) -> Any:
        assert self.described is not None
        return self.described["LambdaConfig"]

    def describe_user_pool(self, **_: Any) -> dict[str, Any]:
        if self.described is None:
            raise AwsError("ResourceNotFoundException")
        return {"UserPool": self.described}

    def update_user_pool(self, **changes: Any) -> None:
        assert self.described is not None
        if self.refuses_mfa and "MfaConfiguration" in changes:
            wanted = "SMS configuration and Auto verification for phone_number are required when MFA is optional"
            raise AwsError("InvalidParameterException", wanted)
        self.described["LambdaConfig"] = changes["LambdaConfig"]
        if self.resets_mfa:
            self.mfa = {"MfaConfiguration": "OFF"}

    def get_user_pool_mfa_config(self, **_: Any) -> dict[str, Any]:
        return self.mfa

    def set_user_pool_mfa_config(self, *, UserPoolId: str, **mfa: Any) -> None:  # noqa: N803, ARG002
        self.mfa = mfa

    def add_custom_attributes(self, **_: Any) -> None:
        return

    def list_groups(self, **_: Any) -> dict[str, Any]:
        return {"Groups": [*self.groups.values()]}

    def update_group(self, *, UserPoolId: str, **group: Any) -> None:  # noqa: N803, ARG002
        self.groups[group["GroupName"]] |= group

    def create_group(self, *, UserPoolId: str, **group: Any) -> None:  # noqa: N803, ARG002
        assert group["GroupName"] not in self.groups
        self.groups[group["GroupName"]] = group


class FakeIdentityPool(FakeService):
    """One identity pool: its providers, and what else DescribeIdentityPool returns."""

    def __init__(self, client: Any, described: dict[str, Any]) -> None:
        super().__init__(client)
        self.described = described
        self.providers: list[dict[str, Any]] = []

    def describe_identity_pool(self, **_: Any) -> dict[str, Any]:
        return self.described | {"CognitoIdentityProviders": self.providers}

    def update_identity_pool(self, *, CognitoIdentityProviders: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803
        self.providers = CognitoIdentityProviders


class FakeRole(FakeService):
    """The managed policies of one role."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.policies: set[str] = set()

    def list_attached_role_policies(self, **_: Any) -> dict[str, Any]:
        return {"AttachedPolicies": [{"PolicyArn": each} for each in self.policies], "IsTruncated": False}

    def attach_role_policy(self, *, PolicyArn: str, **_: Any) -> None:  # noqa: N803
        self.policies.add(PolicyArn)

    def detach_role_policy(self, *, PolicyArn: str, **_: Any) -> None:  # noqa: N803
        self.policies.discard(PolicyArn)


class FakeIot(FakeService):
    """Attachments by target, in pages of the requested size; each policy has an old version until it is deleted."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.policies: dict[str, set[str]] = {}
        self.refused: dict[str, AwsError] = {}
        """The errors of attaching to, and detaching from, some targets."""
        self.rejects_tokens = False

    def describe_endpoint(self, *, endpointType: str) -> dict[str, str]:  # noqa: N803
        return {"endpointAddress": f"{endpointType}.iot"}

    def list_targets_for_policy(self, *, policyName: str, pageSize: int, marker: str = "") -> dict[str, Any]:  # noqa: N803
        if marker and self.rejects_tokens:
            raise AwsError("InvalidRequestException")
        rest = [each for each in sorted(self.policies) if policyName in self.policies[each] and each > marker]
        more = {"nextMarker": rest[pageSize - 1]} if len(rest) > pageSize else {}
        return {"targets": rest[:pageSize], **more}

    def list_attached_policies(self, *, target: str) -> dict[str, Any]:
        return {"policies": [{"policyName": each} for each in self.policies[target]]}

    def attach_policy(self, *, policyName: str, target: str) -> None:  # noqa: N803
        if target in self.refused:
            raise self.refused[target]
        self.policies[target].add(policyName)

    def detach_policy(self, *, policyName: str, target: str) -> None:  # noqa: N803
        if target in self.refused:
            raise self.refused[target]
        self.policies[target].discard(policyName)

    def list_policy_versions(self, **_: Any) -> dict[str, Any]:
        versions = [{"versionId": "1", "isDefaultVersion": False}, {"versionId": "2", "isDefaultVersion": True}]
        return {"policyVersions": versions}

    def delete_policy_version(self, *, policyName: str, policyVersionId: str) -> None:  # noqa: N803, ARG002
        assert policyVersionId == "1"

    def delete_policy(self, **_: Any) -> None:
        return


class FakeStack(FakeService):
    """The stack of the custom resources.

    Attributes:
        status: its own status.
        resources: the status of each resource; CloudFormation does not know other resources.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.status = ""
        self.resources: dict[str, str] = {}

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": self.status}]}

    def describe_stack_resource(self, *, LogicalResourceId: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if LogicalResourceId not in self.resources:
            raise AwsError("ValidationError")
        return {"StackResourceDetail": {"ResourceStatus": self.resources[LogicalResourceId]}}


class FakeStates(FakeService):
    """The executions of one state machine.

    Attributes:
        running: the ARNs that are listed as running.
        executions: by ARN, what DescribeExecution returns one call after another; None if it does not exist yet.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.running: list[str] = []
        self.executions: dict[str, list[dict[str, Any] | None]] = {}

    def list_executions(self, *, statusFilter: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert statusFilter == "RUNNING"
        return {"executions": [{"executionArn": each} for each in self.running]}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        answers = self.executions.get(executionArn, [None])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            raise AwsError("ExecutionDoesNotExist")
        return answer

    def start_execution(self, **_: Any) -> None:
        return

    def stop_execution(self, **_: Any) -> None:
        return
