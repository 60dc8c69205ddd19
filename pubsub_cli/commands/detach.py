"""``pubsub detach``: detach the IoT policy from one identity, or from everybody."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.commands import options
from pubsub_cli.commands.asking import check_may_ask
from pubsub_cli.commands.detach_all import detach_all
from pubsub_cli.commands.subject import (
    AboutOneIdentity,
    IdentityId,
    IdToken,
    Selector,
    User,
    members,
)
from pubsub_cli.commands.told import Told
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.detach import detach as detach_policy
from pubsub_cli.operations.subject import Subject
from pubsub_client.outputs import Output


def _detach(deployment: Deployment, subject: Subject) -> Told:
    change = detach_policy(deployment, subject)
    policy = deployment.policy_name
    done = "is detached" if change.changed else "was not attached"
    lines = [f"{policy} {done}: identity {change.identity_id}", *_what_follows(deployment, subject)]
    return Told(lines, members(subject, change, policy, attached=False))


def _what_follows(deployment: Deployment, subject: Subject) -> list[str]:
    if subject.user is None:
        by_itself = "The user can attach it again by self-attach."
        if not deployment.attaches_at_sign_in:
            return [by_itself]
        return [
            by_itself,
            "At sign-in a user whose marker names this identity is not attached again before the marker ends: "
            "`pubsub detach --user NAME` voids it.",
        ]
    pool = deployment.output(Output.USER_POOL_ID)
    who = f"--user-pool-id {pool} --username {shlex.quote(subject.user.name)}"
    keep_out = f"aws cognito-idp admin-disable-user {who}"
    return [
        f"{'The next sign-in or self-attach' if deployment.attaches_at_sign_in else 'Self-attach'} attaches it again; "
        f"to keep the user out: {keep_out}{deployment.aws.cli_options}",
        "Credentials that the user has already are good for up to an hour, for self-attach too.",
    ]


def detach(
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    user: User = None,
    identity_id: IdentityId = None,
    id_token: IdToken = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Everybody, for as long as it takes; nobody is attached again then.")
    ] = False,
    per_second: Annotated[
        int | None,
        typer.Option(
            "--per-second",
            metavar="N",
            min=1,
            max=1000,
            help="With --all: so many a second instead of the setting detachPerSecond.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: ask nothing.")] = False,
    json: options.Json = False,
    redact: options.Redact = False,
    verbose: options.Verbose = False,
) -> None:
    """Detach the IoT policy from one identity, until the user signs in or self-attaches; with --all from everybody.

    AWS Step Functions detaches everybody: interrupted, this command stops looking, and started again it shows how far
    that has come.
    """
    if everybody and (user, identity_id, id_token) != (None, None, None):
        raise typer.BadParameter("--all is everybody: it goes without --user, --identity-id and --id-token")
    if not everybody and (yes or per_second is not None):
        raise typer.BadParameter(f"{'--yes' if yes else '--per-second'} goes with --all")
    options.log_if(verbose)
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)
    if everybody:
        check_may_ask(yes=yes)
        detach_all(aws, name, per_second=per_second, ask=not yes, json=json, redact=redact)
    else:
        AboutOneIdentity("detach", aws, name, Selector(user, identity_id, id_token), json, redact).run(_detach)
