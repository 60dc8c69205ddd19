"""``pubsub adopt``: the settings that adopt what is there already, and what deploying them would change."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from pubsub_cli.adoption.adopted import Adopted, AdoptionError
from pubsub_cli.adoption.amplify_project import parent_stacks
from pubsub_cli.adoption.complete import complete
from pubsub_cli.adoption.inspection import Candidate, Inspection, candidates, inspect
from pubsub_cli.adoption.plan import OTHER_POLICY_NAME, USUAL_POLICY_NAME, Choice, Plan, plan
from pubsub_cli.aws import Aws
from pubsub_cli.commands import options
from pubsub_cli.commands.told import Told, tell
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import failed
from pubsub_cli.operations.failure import aws_errors_explained
from pubsub_client.outputs import TRIGGERS
from pubsub_client.policy_document import check_shared_topics, check_smoke_test_topics, check_topic_pattern

_WHAT = "What to adopt, in any mix; the rest is looked up"
_HOW = "How"


class Attachment(StrEnum):
    """How users are attached."""

    SELF_ATTACH = "self-attach"
    SIGN_IN = "sign-in"


class AccessMode(StrEnum):
    """What the roles of signed-in users get."""

    GUARDED = "guarded"
    UNGUARDED = "unguarded"
    LEAST_PRIVILEGE = "least-privilege"


def adopt(
    amplify_stack: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An Amplify project's parent stack.", rich_help_panel=_WHAT),
    ] = None,
    user_pool_id: Annotated[str | None, typer.Option(help="The user pool.", rich_help_panel=_WHAT)] = None,
    user_pool_client_id: Annotated[
        list[str] | None,
        typer.Option(help="An app client of it, the front end's first; may be repeated.", rich_help_panel=_WHAT),
    ] = None,
    identity_pool_id: Annotated[str | None, typer.Option(help="The identity pool.", rich_help_panel=_WHAT)] = None,
    auth_role_arn: Annotated[
        str | None, typer.Option(help="Its role of signed-in users.", rich_help_panel=_WHAT)
    ] = None,
    group_role_arn: Annotated[
        list[str] | None,
        typer.Option(help="Another role that signed-in users get; may be repeated.", rich_help_panel=_WHAT),
    ] = None,
    attachment: Annotated[
        Attachment,
        typer.Option(help="self-attach leaves the user pool as it is; sign-in adds to it.", rich_help_panel=_HOW),
    ] = Attachment.SELF_ATTACH,
    access_mode: Annotated[
        AccessMode, typer.Option(help="What the roles get.", rich_help_panel=_HOW)
    ] = AccessMode.GUARDED,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="A pattern of topics to open; may be repeated.", rich_help_panel=_HOW),
    ] = None,
    chained_trigger: Annotated[
        list[str] | None,
        typer.Option(
            help="A trigger whose own function calls ours; may be repeated.", rich_help_panel=_HOW, metavar="TRIGGER"
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="A group of the user pool that gets a role of the stack; may be repeated. Not with an identity pool.",
            rich_help_panel=_HOW,
            metavar="NAME",
        ),
    ] = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    json: options.Json = False,
    redact: options.Redact = False,
    verbose: options.Verbose = False,
) -> None:
    """Tell how to adopt pools and roles that are there already, and what that would change. Changes nothing itself.

    Without anything to adopt it lists what there is.
    """
    chained = tuple(chained_trigger or ())
    if unknown := [each for each in chained if each not in TRIGGERS]:
        raise typer.BadParameter(f"--chained-trigger: {unknown[0]!r} given; allowed: {', '.join(TRIGGERS)}")
    if chained and attachment is not Attachment.SIGN_IN:
        raise typer.BadParameter("--chained-trigger goes with --attachment sign-in")
    _check_topics(topic or [], access_mode)
    if group and (identity_pool_id or amplify_stack):
        raise typer.BadParameter("--group goes with --user-pool-id: the groups of an identity pool have roles already")
    options.log_if(verbose)
    aws = Aws(profile, region, endpoint_url)
    given = Adopted(
        user_pool_id, tuple(user_pool_client_id or ()), identity_pool_id, auth_role_arn, tuple(group_role_arn or ())
    )
    choice = Choice(attachment.value, access_mode.value, tuple(topic) if topic else None, chained, tuple(group or ()))
    with aws_errors_explained(aws, amplify_stack or user_pool_id or identity_pool_id or "the account"):
        if amplify_stack or given != Adopted():
            told = _told(aws, given, amplify_stack, choice)
        else:
            stacks, pools = parent_stacks(aws), candidates(aws)
            told = Told([*_candidates(stacks, pools)], {"candidates": _members(stacks, pools)})
    tell(told, "adopt", aws, None, json=json, redact=redact)


def _check_topics(topics: list[str], access_mode: AccessMode) -> None:
    """Check --topic as the settings will check it.

    Raises:
        typer.BadParameter: the settings would refuse one of the patterns.
    """
    if not topics:
        return
    try:
        for each in topics:
            check_topic_pattern(each)
        (check_shared_topics if access_mode is AccessMode.LEAST_PRIVILEGE else check_smoke_test_topics)(topics)
    except ValueError as error:
        raise typer.BadParameter(f"--topic: {', '.join(map(repr, topics))} given; {error}") from None


def _told(aws: Aws, given: Adopted, amplify_stack: str | None, choice: Choice) -> Told:
    """Look, and tell the plan.

    Raises:
        PreconditionError: what is to be adopted is not there or not clear.
        botocore.exceptions.ClientError: AWS refuses.
    """
    try:
        adopted = complete(aws, given, amplify_stack)
    except AdoptionError as error:
        raise PreconditionError(str(error)) from error
    now = inspect(aws, adopted, (USUAL_POLICY_NAME, OTHER_POLICY_NAME), choice.groups)
    made = plan(adopted, now, choice)
    failure = next((failed(each.cause, resource=each.resource, fix=each.fix) for each in made.blockers), None)
    members = {
        "settings": made.settings,
        "changes": [vars(each) for each in made.changes],
        "notes": made.notes,
        "blockers": [vars(each) for each in made.blockers],
    }
    return Told([*_lines(adopted, now, made)], {"adopt": members}, failure)


def _lines(adopted: Adopted, now: Inspection, made: Plan) -> Iterator[str]:
    pool = now.user_pool
    named_by = ", ".join(pool.get("UsernameAttributes", [])) or "names"
    yield f"user pool      {pool['Id']} ({pool['Name']}), users by {named_by}, second factor {_second_factor(now)}"
    yield f"app clients    {', '.join(adopted.user_pool_client_ids)}; the first is the front end's"
    yield f"identity pool  {adopted.identity_pool_id or 'none: one is made'}"
    for role in now.roles:
        yield f"role           {role.name}"
    yield ""
    yield "Settings, for the context key amplify-pubsub of cdk.json:"
    yield ""
    yield json_module.dumps(made.settings, indent=2)
    yield ""
    yield "What changes once they are deployed:"
    yield ""
    width = max(len(each.resource) for each in made.changes)
    for change in made.changes:
        yield f"  {change.resource:<{width}}  {change.change}"
    if made.notes:
        yield ""
        yield "Good to know:"
        yield ""
        yield from (f"  - {note}" for note in made.notes)
    if made.blockers:
        yield ""
        yield "In the way:"
        yield ""
        for blocker in made.blockers:
            yield f"  - {blocker.cause}"
            yield f"    {blocker.fix}"


def _second_factor(now: Inspection) -> str:
    return str(now.user_pool.get("MfaConfiguration", "OFF")).lower()


def _candidates(stacks: list[str], pools: list[Candidate]) -> Iterator[str]:
    if not stacks and not pools:
        yield "There is no Amplify project and no identity pool for users of a user pool here."
        return
    for stack in stacks:
        yield f"Amplify project  pubsub adopt --amplify-stack {stack}"
    for pool in pools:
        yield f"identity pool    pubsub adopt --identity-pool-id {pool.identity_pool_id}  ({pool.name})"


def _members(stacks: list[str], pools: list[Candidate]) -> dict[str, Any]:
    return {
        "amplify_stacks": stacks,
        "identity_pools": [
            {"id": each.identity_pool_id, "name": each.name, "user_pool_ids": each.user_pool_ids} for each in pools
        ],
    }
