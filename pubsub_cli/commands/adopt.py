"""``pubsub adopt``: the settings that adopt existing pools and roles, and what deploying them would change."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.adoption.discovery import Adopted, Candidate, candidates, find_adopted, parent_stacks
from pubsub_cli.adoption.inspection import Inspection, inspect
from pubsub_cli.adoption.plan import OTHER_POLICY_NAME, USUAL_POLICY_NAME, AdoptionOptions, Plan, plan
from pubsub_cli.app_config import AppConfig, region_of_ids
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.output import CommandResult, emit
from pubsub_client.outputs import LEAST_PRIVILEGE, TRIGGERS, AccessMode, AttachmentMode
from pubsub_client.policy_document import check_shared_topics, check_smoke_test_topics, check_topic_pattern

_IDS = "What to adopt (ids that you do not give are looked up)"
_HOW = "How to adopt"


def adopt(
    account: options.AccountOptions,
    amplify_stack: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Adopt this Amplify project, by its parent stack.", rich_help_panel=_IDS),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Adopt the pools in amplify_outputs.json, aws-exports.js, amplifyconfiguration.json or .env.",
            rich_help_panel=_IDS,
        ),
    ] = None,
    user_pool_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Adopt this user pool.", rich_help_panel=_IDS)
    ] = None,
    user_pool_client_id: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Adopt this app client. Repeatable, the front end's first.", rich_help_panel=_IDS
        ),
    ] = None,
    identity_pool_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Adopt this identity pool.", rich_help_panel=_IDS)
    ] = None,
    auth_role_arn: Annotated[
        str | None, typer.Option(metavar="ARN", help="Adopt this role of signed-in users.", rich_help_panel=_IDS)
    ] = None,
    group_role_arn: Annotated[
        list[str] | None,
        typer.Option(metavar="ARN", help="Adopt this other role of signed-in users. Repeatable.", rich_help_panel=_IDS),
    ] = None,
    attachment: Annotated[
        AttachmentMode,
        typer.Option(
            metavar="KIND",
            help="Attach users by self-attach, which does not change the user pool, or by sign-in (adds triggers).",
            rich_help_panel=_HOW,
        ),
    ] = "self-attach",
    access_mode: Annotated[
        AccessMode,
        typer.Option(
            metavar="MODE", help="Use access mode guarded, unguarded or least-privilege.", rich_help_panel=_HOW
        ),
    ] = "guarded",
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Allow this topic pattern. Repeatable.", rich_help_panel=_HOW),
    ] = None,
    chained_trigger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRIGGER",
            help="Keep the function of this trigger, which must call the stack's. Repeatable.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Give this group of the user pool a role of the stack. Repeatable. Not with an identity pool.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Print the settings that adopt existing pools and roles.

    The command also lists what deploying these settings would change. It changes nothing itself. Without options it
    lists what can be adopted.

    Examples:
      pubsub adopt
      pubsub adopt --config amplify_outputs.json
      pubsub adopt --amplify-stack amplify-shop-dev-120000 --attachment sign-in
    """
    chained = tuple(chained_trigger or ())
    if unknown := [each for each in chained if each not in TRIGGERS]:
        raise typer.BadParameter(f"--chained-trigger: {unknown[0]!r} given; allowed: {', '.join(TRIGGERS)}")
    if chained and attachment != "sign-in":
        raise typer.BadParameter("--chained-trigger goes with --attachment sign-in")
    _check_topics(topic or [], access_mode)
    front_end_client_id = None
    if config:
        app = AppConfig.read(config)
        ids: dict[str, object] = {"user_pool_id": user_pool_id, "identity_pool_id": identity_pool_id}
        known = any(ids.values()) or app.user_pool_id or app.identity_pool_id
        app.check(ids, required=() if known else ids)
        if not user_pool_client_id and app.is_client_of(user_pool_id):
            app.check({"user_pool_client_id": None}, required=())
            front_end_client_id = app.user_pool_client_id
        user_pool_id = user_pool_id or app.user_pool_id
        identity_pool_id = identity_pool_id or app.identity_pool_id
    account = replace(account, region=region_of_ids(account.region, user_pool_id, identity_pool_id))
    if group and (identity_pool_id or amplify_stack):
        raise typer.BadParameter("--group goes with --user-pool-id: the groups of an identity pool have roles already")
    run, aws = account.start("adopt", json=json, redact=redact), account.aws
    given = Adopted(
        user_pool_id, tuple(user_pool_client_id or ()), identity_pool_id, auth_role_arn, tuple(group_role_arn or ())
    )
    choices = AdoptionOptions(attachment, access_mode, tuple(topic) if topic else None, chained, tuple(group or ()))
    with aws_errors_explained(aws, amplify_stack or user_pool_id or identity_pool_id or "the account"):
        if amplify_stack or given != Adopted():
            result = _plan_result(aws, given, amplify_stack, choices, front_end_client_id)
        else:
            stacks, pools = parent_stacks(aws), candidates(aws)
            result = CommandResult([*_candidates(stacks, pools)], {"candidates": _members(stacks, pools)})
    emit(result, run)


def _check_topics(topics: list[str], access_mode: AccessMode) -> None:
    """Check --topic with the rules of the settings.

    Raises:
        typer.BadParameter: the settings would reject one of the patterns.
    """
    if not topics:
        return
    try:
        for each in topics:
            check_topic_pattern(each)
        (check_shared_topics if access_mode == LEAST_PRIVILEGE else check_smoke_test_topics)(topics)
    except ValueError as error:
        raise typer.BadParameter(f"--topic: {', '.join(map(repr, topics))} given; {error}") from None


def _plan_result(
    aws: Aws,
    given: Adopted,
    amplify_stack: str | None,
    choices: AdoptionOptions,
    front_end_client_id: str | None,
) -> CommandResult:
    """Return the plan.

    Raises:
        PreconditionError: what to adopt does not exist or is ambiguous.
    """
    adopted = find_adopted(aws, given, amplify_stack, front_end_client_id)
    now = inspect(aws, adopted, (USUAL_POLICY_NAME, OTHER_POLICY_NAME), choices.groups)
    made = plan(adopted, now, choices)
    members = {
        "settings": made.settings,
        "changes": [vars(each) for each in made.changes],
        "notes": made.notes,
        "blockers": [each.as_member() for each in made.blockers],
    }
    return CommandResult([*_lines(adopted, now, made)], {"adopt": members}, next(iter(made.blockers), None))


def _lines(adopted: Adopted, now: Inspection, made: Plan) -> Iterator[str]:
    pool = now.user_pool
    named_by = ", ".join(pool.get("UsernameAttributes", [])) or "names"
    yield f"user pool      {pool['Id']} ({pool['Name']}), users by {named_by}, MFA {_mfa(now)}"
    yield f"app clients    {', '.join(adopted.user_pool_client_ids)}; the first is the front end's"
    yield f"identity pool  {adopted.identity_pool_id or 'none: the stack creates one'}"
    for role in now.roles:
        yield f"role           {role.name}"
    yield ""
    yield "Settings for the context key amplify-pubsub in cdk.json:"
    yield ""
    yield json_module.dumps(made.settings, indent=2)
    yield ""
    yield "Changes when they are deployed:"
    yield ""
    width = max(len(each.resource) for each in made.changes)
    for change in made.changes:
        yield f"  {change.resource:<{width}}  {change.change}"
    if made.notes:
        yield ""
        yield "Notes:"
        yield ""
        yield from (f"  - {note}" for note in made.notes)
    if made.blockers:
        yield ""
        yield "Blockers:"
        yield ""
        for blocker in made.blockers:
            yield f"  - {blocker.cause}"
            yield f"    {blocker.fix}"


def _mfa(now: Inspection) -> str:
    return str(now.user_pool.get("MfaConfiguration", "OFF")).lower()


def _candidates(stacks: list[str], pools: list[Candidate]) -> Iterator[str]:
    if not stacks and not pools:
        yield (
            "There is nothing to adopt: no Amplify project, and no identity pool of another origin that accepts tokens."
        )
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
