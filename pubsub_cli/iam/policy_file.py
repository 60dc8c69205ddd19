"""Explains an IoT policy document from a file, without AWS: what it allows, what decides, and its mistakes."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pubsub_cli.errors import PreconditionError
from pubsub_cli.files import read_text
from pubsub_cli.finding import Status
from pubsub_cli.iam.documents import Policy, Statement, matches, variable_names
from pubsub_cli.iam.evaluation import EvaluatedRequest, Outcome, decide
from pubsub_cli.iam.explanation import (
    identity_ids,
    literal_characters,
    needs_version,
    never_matches,
    reason_for_denial,
    suggest_changes,
    valueless_variables,
)
from pubsub_cli.iam.request import (
    ANY_CLIENT_ID,
    RETAIN,
    THING_VARIABLES,
    Request,
    RequestContext,
    TopicUse,
    allowed_use,
    front_end_requests,
    signed_in_context,
)
from pubsub_client.policy_document import DATA_ACTIONS, MAX_CHARACTERS, SHADOW_ACTIONS, identity_service

_REGION, _ACCOUNT = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+"), re.compile(r"\d{12}")
_REGION_IN_ARN = re.compile(rf":iot:({_REGION.pattern}):")
_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:(?P<rest>[^:].*)", re.DOTALL)
_WRAPPERS = ("policyDocument", "PolicyDocument", "Document", "PolicyVersion")
"""The members of AWS's answers that contain a document, as those of `aws iot get-policy`."""
_ATTACH_THING = (
    "Attach the thing that has the client id as its name to the user's identity: aws iot attach-thing-principal. "
    "`pubsub doctor --user NAME` reads which things are attached."
)
# https://docs.aws.amazon.com/iot/latest/developerguide/connect-policy.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
_CONNECT_ATTRIBUTES = (
    "A client that connects with a will has the value LastWill, and with a persistent session PersistentConnect. "
    "A client with neither meets each condition ForAllValues."
)
_DEFAULT_REGION, _DEFAULT_ACCOUNT = "us-east-1", "123456789012"
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""The partitions of regions, by the start of their names; aws for the others."""
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_FIELDS = re.compile(
    r"arn:(?P<partition>{0}):iot:(?P<region>{0}):(?P<account>{0}):(?P<rest>.+)".format(r"(?:\$\{[^}]*\}|[^:])*"),
    re.DOTALL,
)
_PLACEHOLDER = re.compile(
    r"(?!client/|topic/|topicfilter/)(?:\d*[x*]{2,}\d*|[a-z_-]*(?:region|account)[a-z_-]*|.*[<>\[\]{}].*)",
    re.IGNORECASE,
)
"""Matches texts in place of a region or an account, as in published policies and guides."""
_MASKED_PREFIX = re.compile(r"(\*{2,}|x{2,}):((?:client|topic|topicfilter)/.+)", re.IGNORECASE | re.DOTALL)
"""Matches resources with such a text in place of everything before the kind."""


@dataclass(frozen=True)
class ExplainedRequest:
    """A request, and what the document decides.

    Args:
        request: the request.
        status: ``passed``, ``failed`` or ``unknown``; ``warning`` for a denied retained message.
        reason: the deciding statement, or why no statement allows the request.
        fix: the statement to add, or another instruction; None if the request is allowed or unknown.
    """

    request: Request
    status: Status
    reason: str
    fix: str | None


@dataclass(frozen=True)
class ExplainedPolicy:
    """The explanation of a document.

    Args:
        arn_prefix: the start of the ARNs of the requests.
        requests: the requests of a front end.
        mistakes: mistakes that do not depend on the requests.
    """

    arn_prefix: str
    requests: Sequence[ExplainedRequest]
    mistakes: Sequence[str]


def read_policy_file(path: Path) -> Policy:
    """Read an IoT policy document, or the answer of `aws iot get-policy` that contains it.

    Raises:
        PreconditionError: the file cannot be read, or contains no policy document.
    """
    try:
        found = json.loads(read_text("--policy-file", path))
    except ValueError as error:
        raise PreconditionError(f"--policy-file: {path} is not JSON: {error}") from error
    try:
        while isinstance(found, dict) and (inner := next((found[each] for each in _WRAPPERS if each in found), None)):
            found = json.loads(inner) if isinstance(inner, str) else inner
        if isinstance(found, dict) and "Statement" in found:
            return Policy.read(f"the policy {path.name}", path.name, found)
    except (ValueError, AttributeError, TypeError) as error:
        raise PreconditionError(f"--policy-file: {path} has a malformed policy document: {error}") from error
    raise PreconditionError(f"--policy-file: {path} has no policy document: it needs the member Statement")


def explain_policy(
    policy: Policy, topics: Sequence[str], *, client_id: str | None, identity_id: str | None, region: str | None
) -> ExplainedPolicy:
    """Explain what a document allows one user.

    Args:
        policy: the document.
        topics: topics and topic filters of the front end.
        client_id: its MQTT client id; None for a random one.
        identity_id: the user's identity id; None if it is not known.
        region: the region; None for that of the identity id, or of the document's resources.
    """
    wanted = region or (identity_id.partition(":")[0] if identity_id else None)
    prefix, given_prefix = _arn_prefix(policy, wanted)
    policy, placeholders = _without_placeholders(policy, prefix)
    in_region = prefix.split(":")[3]
    client = client_id or ANY_CLIENT_ID
    context = signed_in_context(in_region, None, identity_id=identity_id, client_id=client)
    requests = [
        _explain_request(each, policy, context, identity_id, in_region)
        for each in front_end_requests(prefix, client, topics)
    ]
    requests = [replace(each, fix=each.fix and each.fix.replace(prefix, given_prefix)) for each in requests]
    mistakes = list(dict.fromkeys(_mistakes(policy, context, in_region)))
    mistakes += [
        f"--topic {each}: AWS IoT does not let clients use this reserved topic"
        for each in topics
        if allowed_use(each) is TopicUse.NOTHING
    ]
    mistakes += [
        f"--topic {each}: * is an ordinary character in MQTT; the wildcards of topic filters are + and #"
        for each in topics
        if "*" in each
    ]
    if placeholders:
        mistakes.insert(0, f"placeholders, read as {prefix}: {', '.join(placeholders)}; AWS IoT needs the real values")
    return ExplainedPolicy(prefix, requests, mistakes)


def _without_placeholders(policy: Policy, prefix: str) -> tuple[Policy, list[str]]:
    """Replace placeholders by the fields of an ARN prefix. Return also the texts that were replaced."""
    _, real_partition, _, real_region, real_account = prefix.split(":")
    replaced: dict[str, None] = {}

    def replaced_in(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced_in(each) for each in value]
        if isinstance(value, str) and (masked := _MASKED_PREFIX.fullmatch(value)):
            replaced[masked[1]] = None
            return f"{prefix}:{masked[2]}"
        arn = _FIELDS.fullmatch(value) if isinstance(value, str) else None
        if arn is None:
            return value
        fields = []
        for name, real in (("partition", real_partition), ("region", real_region), ("account", real_account)):
            is_placeholder = _PLACEHOLDER.fullmatch(arn[name]) is not None
            replaced.update({arn[name]: None} if is_placeholder else {})
            fields.append(real if is_placeholder else arn[name])
        partition, found_region, account = fields
        return f"arn:{partition}:iot:{found_region}:{account}:{arn['rest']}"

    statements = [
        {key: replaced_in(value) if key in ("Resource", "NotResource") else value for key, value in each.source.items()}
        for each in policy.statements
    ]
    document = {**policy.document, "Statement": statements}
    return Policy.read(policy.name, policy.key, document), list(replaced)


def _arn_prefix(policy: Policy, region: str | None) -> tuple[str, str]:
    """Return the start of the ARNs of requests, and the same without values that neither document nor options give."""
    resources = [each for statement in policy.statements for each in (*statement.resources, *statement.not_resources)]
    arns = [match for each in resources if (match := _FIELDS.fullmatch(each))]
    regions = Counter(match[1] for each in resources if (match := _REGION_IN_ARN.search(each)))
    accounts = Counter(each["account"] for each in arns if _ACCOUNT.fullmatch(each["account"]))
    given_region = region or next((each for each, _ in regions.most_common(1)), None)
    given_account = next((each for each, _ in accounts.most_common(1)), None)
    in_region = given_region or _DEFAULT_REGION
    partition = next((name for start, name in _PARTITIONS.items() if in_region.startswith(start)), "aws")
    return (
        f"arn:{partition}:iot:{in_region}:{given_account or _DEFAULT_ACCOUNT}",
        f"arn:{partition}:iot:{given_region or 'REGION'}:{given_account or 'ACCOUNT'}",
    )


def _explain_request(
    request: Request, policy: Policy, context: RequestContext, identity_id: str | None, region: str
) -> ExplainedRequest:
    decision = decide(request, [policy], context)
    if decision.allowed and decision.statement:
        return ExplainedRequest(request, Status.PASSED, _numbered(policy, decision.statement), None)
    reason = reason_for_denial(EvaluatedRequest(request, decision, None), [policy], context)
    if decision.outcome is Outcome.UNKNOWN:
        return ExplainedRequest(request, Status.UNKNOWN, reason, _hint(decision.unknown, identity_id))
    changes = suggest_changes([request], policy, context, identity_id, identity_service(region))
    status = Status.WARNING if request.action == RETAIN else Status.FAILED
    return ExplainedRequest(request, status, reason, "; ".join(map(str, changes)))


def _hint(unknown: Collection[str], identity_id: str | None) -> str | None:
    """Return what decides a request whose result depends on these values."""
    if identity_id is None and any(each.lower().endswith(":sub") for each in unknown):
        return "Give --identity-id."
    if any(each.lower().startswith(THING_VARIABLES.lower()) for each in unknown):
        return _ATTACH_THING
    if any(each.lower() == "iot:connectattributes" for each in unknown):
        return _CONNECT_ATTRIBUTES
    return None


def _numbered(policy: Policy, statement: Statement) -> str:
    return f"statement {policy.statements.index(statement) + 1}: {statement.text}"


def _mistakes(policy: Policy, context: RequestContext, region: str) -> Iterator[str]:
    """Yield the mistakes that do not depend on the requests."""
    size = len(json.dumps(policy.document, separators=(",", ":")))
    if size > MAX_CHARACTERS:
        yield f"the document has {size} characters, and AWS IoT accepts {MAX_CHARACTERS}"
    for number, statement in enumerate(policy.statements, 1):
        for mistake in _statement_mistakes(statement, context, region):
            yield f"statement {number}: {mistake}"
    for action in DATA_ACTIONS:
        if not any(each.allows and each.covers_action(action) for each in policy.statements):
            yield f"no statement allows {action}{_USES.get(action, '')}"
    if found := identity_ids(json.dumps(policy.document)):
        yield (
            f"the document contains the identity id {found[0]}, so it fits one user; use "
            f"${{{identity_service(region)}:sub}}"
        )


# https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiotjobsdataplane.html
# https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
# https://docs.aws.amazon.com/greengrass/v2/developerguide/device-auth.html
# https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html
_JOB_ACTIONS = ("DescribeJobExecution", "GetPendingJobExecutions", "StartNextPendingJobExecution", "UpdateJobExecution")
_POLICY_ACTIONS = (
    *DATA_ACTIONS,
    *SHADOW_ACTIONS,
    "iot:DeleteConnection",
    "iot:GetConnection",
    "iot:GetRetainedMessage",
    "iot:ListRetainedMessages",
    "iot:ListSubscriptions",
    "iot:SendDirectMessage",
    "iot:AssumeRoleWithCertificate",
    *(f"{service}:{name}" for service in ("iot", "iotjobsdata") for name in _JOB_ACTIONS),
)
"""The actions that AWS IoT and its services check with IoT policies."""
_USES: Mapping[str, str] = {
    "iot:Receive": ": AWS IoT keeps the connection open, but delivers no messages",
    RETAIN: ": only publishing retained messages needs it",
}


def _statement_mistakes(statement: Statement, context: RequestContext, region: str) -> Iterator[str]:
    source: Mapping[str, Any] = statement.source
    if source.get("Effect") not in ("Allow", "Deny"):
        yield f"its Effect is {source.get('Effect')!r}, not Allow or Deny"
    # https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    if "Principal" in source or "NotPrincipal" in source:
        yield "IoT policies have no Principal: they apply to the identities that they are attached to"
    for action in (*statement.actions, *statement.not_actions):
        known = any(matches(action, each, None, ignore_case=True) for each in _POLICY_ACTIONS)
        if not known and not action.lower().startswith("greengrass:"):
            similar = difflib.get_close_matches(action.strip(" \"'\u201c\u201d"), _POLICY_ACTIONS, 1, 0.9)
            yield f"{action} matches no action that IoT policies can allow, such as iot:Publish; " + (
                f"did you mean {similar[0]}?" if similar else "it may belong in the IAM policy of a role"
            )
    resources = (*statement.resources, *statement.not_resources)
    if not resources:
        yield "it has neither Resource nor NotResource"
    for resource in resources:
        yield from _resource_mistakes(resource, statement, context, region)
    kinds = {_kind(each) for each in statement.resources}
    for action, kind in DATA_ACTIONS.items():
        exact = any(each.lower() == action.lower() for each in statement.actions)
        if exact and kinds and not kinds & {kind, None}:
            yield f"{action} needs a resource {kind}/, and the statement has only {', '.join(sorted(map(str, kinds)))}/"


def _resource_mistakes(resource: str, statement: Statement, context: RequestContext, region: str) -> Iterator[str]:
    missing = valueless_variables(resource, context)
    for name in missing:
        yield never_matches(resource, [name])
    if variable_names(resource) and not statement.has_variables:
        yield needs_version(resource)
    arn = _ARN.fullmatch(resource)
    if _is_malformed(resource):
        yield f"{resource} is malformed; an ARN here has the form arn:aws:iot:REGION:ACCOUNT:topic/..."
    if arn is None:
        return
    if empty := [
        name for name in ("region", "account") if (fields := _FIELDS.fullmatch(resource)) and not fields[name]
    ]:
        yield f"{resource} has no {' and no '.join(empty)}, so it matches nothing"
    uses_kinds = any(statement.covers_action(each) for each in DATA_ACTIONS)
    if uses_kinds and not missing and _kind(resource) is None and arn["rest"][0] not in "*$":
        yield f"{resource} does not begin with client/, topic/ or topicfilter/ after the account"
    if statement.allows and arn["rest"].lower() == "client/${iot:clientid}":
        yield (
            f"{resource} allows every client id, as client/* does, because the client chooses its id; "
            f"use ${{{identity_service(region)}:sub}}"
        )
    yield from (mistake for _, mistake in literal_characters(resource, arn["rest"].partition("/")[2]))


def _is_malformed(resource: str) -> bool:
    """Return whether a resource is neither an ARN, perhaps with wildcards, nor ``*``.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    literal, *rest = _VARIABLE.sub("v", resource).partition("*")
    fields = literal.split(":", 5)
    if fields[0] != "arn":
        return resource.strip("*") != ""
    return any("/" in each for each in fields[1:5]) or not (len(fields) > 5 or rest[0])


def _kind(resource: str) -> str | None:
    """Return ``client``, ``topic`` or ``topicfilter``; None for other resources and wildcards."""
    arn = _ARN.fullmatch(resource)
    kind = arn["rest"].partition("/")[0] if arn else None
    return kind if kind in DATA_ACTIONS.values() else None
