"""``pubsub doctor``: check the whole chain from settings to round trip, show what is wrong, and how to fix it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.apply_fixes import FixRunner
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.check_run import CheckRun, check_ids, check_junit, finish_check_run, show_check_run, show_line
from pubsub_cli.checks.amplify_packages import FrontEndPackages
from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_DOCTOR, select_checks, with_dependencies
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, IdToken, Requirement, UserSelector
from pubsub_cli.errors import ExitCode, PreconditionError
from pubsub_cli.finding import PubSubCommand, Status
from pubsub_cli.identity_options import check_identity_id, read_id_token
from pubsub_cli.run_options import StackOptions
from pubsub_cli.signals import interrupt_on_sigterm
from pubsub_cli.terminal import check_can_confirm

_WHO = "User or identity to check"
_APP = "What the front end does"
_IDS = "A deployment that is not a stack of this toolkit"

User = Annotated[
    str | None, typer.Option(metavar="NAME", help="The user with this name or alias.", rich_help_panel=_WHO)
]
PasswordStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Sign in as that user, with the password from standard input.",
        rich_help_panel=_WHO,
    ),
]
IdentityId = Annotated[
    str | None,
    typer.Option("--identity-id", metavar="ID", help="The identity with this id.", rich_help_panel=_WHO),
]
IdTokenFile = Annotated[
    str | None,
    typer.Option(
        "--id-token",
        metavar="FILE",
        help="The user of the ID token in this file; - is standard input. With it, a front end's user needs no AWS "
        "credentials.",
        rich_help_panel=_WHO,
    ),
]
AsEndUser = Annotated[
    bool,
    typer.Option(
        "--as-end-user",
        help="Check as a front end's user, with --id-token, and ignore AWS credentials.",
        rich_help_panel=_WHO,
    ),
]
Topic = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        help="A topic or topic filter that it uses; may be repeated. A message is published to the first topic.",
        rich_help_panel=_APP,
    ),
]
ClientId = Annotated[
    str | None,
    typer.Option(
        help="Its MQTT client id. The doctor connects with it once, which ends another connection with this id.",
        rich_help_panel=_APP,
    ),
]
KeepAlive = Annotated[int | None, typer.Option(min=0, help="Its MQTT keep-alive in seconds.", rich_help_panel=_APP)]
PayloadBytes = Annotated[int | None, typer.Option(min=0, help="The size of its largest message.", rich_help_panel=_APP)]
Subscriptions = Annotated[
    int | None,
    typer.Option(min=0, help="How many topic filters one connection subscribes to.", rich_help_panel=_APP),
]
PackageJson = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its package.json.", dir_okay=False, rich_help_panel=_APP)
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ID", help="Run only this check and those it depends on; may be repeated."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait up to --timeout seconds for slow changes to act.")]
Fix = Annotated[
    bool,
    typer.Option("--fix", help="Run the fixes that add or restore something, after confirmation; check again."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Skip confirmation prompts.")]


@dataclass(frozen=True)
class DeploymentIdOptions:
    """The options for a deployment that is not a stack of this toolkit."""

    user_pool_id: Annotated[str | None, typer.Option(help="The user pool.", rich_help_panel=_IDS)] = None
    user_pool_client_id: Annotated[
        str | None, typer.Option(help="The front end's app client.", rich_help_panel=_IDS)
    ] = None
    identity_pool_id: Annotated[str | None, typer.Option(help="The identity pool.", rich_help_panel=_IDS)] = None
    endpoint: Annotated[
        str | None,
        typer.Option(help="The AWS IoT endpoint the front end is configured with.", rich_help_panel=_IDS),
    ] = None
    policy_name: Annotated[
        str | None, typer.Option(help="The IoT policy that its users need.", rich_help_panel=_IDS)
    ] = None

    def deployment_ids(self, region: str | None, token: IdToken | None, *, as_operator: bool) -> DeploymentIds | None:
        """Return the deployment that the options describe; None if it is a stack.

        Raises:
            typer.BadParameter: some of the ids are missing.
            PreconditionError: there are no credentials to read the stack, or to check the deployment.
        """
        if not any(vars(self).values()):
            if not as_operator:
                raise PreconditionError(
                    "there are no AWS credentials: give them by --profile or the environment; or, to check as the "
                    "front end's user, give --id-token, --identity-pool-id, --endpoint and --region"
                )
            return None
        user_pool_id = self.user_pool_id or (token.user_pool_id if token else None)
        required = {
            "--region": region,
            "--user-pool-id": user_pool_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": self.endpoint,
        }
        if as_operator:
            required["--policy-name"] = self.policy_name
        if missing := [name for name, value in required.items() if not value]:
            raise typer.BadParameter(f"a deployment that is not a stack also needs {', '.join(missing)}")
        if not as_operator and token is None:
            raise PreconditionError("there are no AWS credentials: give them, or --id-token of a front end's user")
        client_id = self.user_pool_client_id or (token.client_id if token else None)
        return DeploymentIds(
            str(region), str(user_pool_id), str(self.identity_pool_id), str(self.endpoint), self.policy_name, client_id
        )


def doctor(
    target: StackOptions,
    given_ids: DeploymentIdOptions,
    user: User = None,
    password_stdin: PasswordStdin = False,
    identity_id: IdentityId = None,
    id_token: IdTokenFile = None,
    as_end_user: AsEndUser = False,
    topic: Topic = None,
    client_id: ClientId = None,
    keep_alive: KeepAlive = None,
    payload_bytes: PayloadBytes = None,
    subscriptions: Subscriptions = None,
    package_json: PackageJson = None,
    only: Only = None,
    skip: options.Skip = None,
    wait: Wait = False,
    fix: Fix = False,
    yes: Yes = False,
    json: options.Json = False,
    junit: options.Junit = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    redact: options.Redact = False,
) -> None:
    """Find why a connection is refused, and show the command that fixes it; read-only without --fix."""
    check_junit(junit)
    check_ids("--skip", skip or (), CHECKS)
    check_ids("--only", only or (), CHECKS)
    if yes and not fix:
        raise typer.BadParameter("--yes confirms what --fix asks: give both")
    if fix:
        check_can_confirm(yes=yes)
    if package_json:
        FrontEndPackages.read(package_json)
    selector = _selector(user, password_stdin, identity_id, id_token)
    target = replace(target, region=_region(target.region, given_ids.identity_pool_id))
    aws, name = target.aws, target.stack_name
    as_operator = not as_end_user and _has_credentials(aws)
    ids = given_ids.deployment_ids(aws.region, selector.id_token, as_operator=as_operator)
    front_end = FrontEndConfig(tuple(topic or ()), client_id, keep_alive, payload_bytes, subscriptions, package_json)
    shown_name = ids.identity_pool_id if ids else name
    run = target.start("doctor", stack=shown_name, json=json, junit=junit, redact=redact, skip=skip or ())
    make_context = partial(
        Context,
        aws=aws,
        stack=name,
        timeout=timeout if wait else 0.0,
        as_operator=as_operator,
        allow_probes=False,
        selector=selector,
        front_end=front_end,
        deployment_ids=ids,
        rerun_command=shlex.join(("pubsub", *sys.argv[1:])),
    )
    reported = REPORTED_BY_DOCTOR if as_operator else REPORTED_BY_DOCTOR - {Requirement.OPERATOR}

    def check() -> CheckRun:
        return show_check_run(
            run,
            lambda cleanup: make_context(cleanup=cleanup),
            lambda context: select_checks(context.available, reported, only or ()),
        )

    checked = check()
    members: dict[str, Any] = {}
    if fix:
        interrupt_on_sigterm()
        fixes = FixRunner(run, aws, ask=not yes)
        fixes.apply(checked)
        if fixes.interrupted:
            raise typer.Exit(ExitCode.INTERRUPTED)
        if fixes.changed:
            show_line(run, "Checked again:")
            checked = check()
        members["fixes"] = [each.as_member() for each in fixes.steps]
    if not as_operator and (left := _operator_checks(checked, selector, ids)):
        checks, command = left
        members["operator"] = {"checks": [{"id": each.id, "title": each.title} for each in checks], "command": command}
        show_line(run, "The remaining checks need an operator's credentials:")
        for each in checks:
            show_line(run, f"  {each.id}  {each.title}")
        show_line(run, f"run: {command}")
    finish_check_run(run, checked, _last_line(checked, selector), **members)


def _has_credentials(aws: Aws) -> bool:
    """Return whether there are credentials, valid or not.

    Raises:
        PreconditionError: the configured credentials cannot be loaded.
        OperationError: AWS refuses them.
    """
    with aws_errors_explained(aws, "AWS"):
        return aws.has_credentials


def _region(region: str | None, identity_pool_id: str | None) -> str | None:
    """Return the region; an identity pool's id begins with one.

    Raises:
        typer.BadParameter: the two options contradict each other.
    """
    pool_region, found, _ = (identity_pool_id or "").partition(":")
    if not found:
        return region
    if region and region != pool_region:
        raise typer.BadParameter(f"--region is {region}, and --identity-pool-id is in {pool_region}")
    return pool_region


def _selector(user: str | None, password_stdin: bool, identity_id: str | None, id_token: str | None) -> UserSelector:
    """Return the user or identity that the options select.

    Raises:
        typer.BadParameter: several are given, or one is malformed.
        PreconditionError: the file has no ID token.
    """
    if sum(each is not None for each in (user, identity_id, id_token)) > 1:
        raise typer.BadParameter("give one of --user, --identity-id and --id-token")
    if user == "":
        raise typer.BadParameter("--user: no name given")
    if password_stdin and user is None:
        raise typer.BadParameter("--password-stdin goes with --user")
    check_identity_id(identity_id)
    return UserSelector(
        user,
        sys.stdin.readline().rstrip("\r\n") if password_stdin else None,
        identity_id,
        None if id_token is None else IdToken.parse(read_id_token(id_token)),
    )


def _last_line(checked: CheckRun, selector: UserSelector) -> str:
    counts = f"{checked.summary} in {checked.seconds:.1f} s"
    if checked.bad:
        return f"doctor: {counts}; start with {checked.bad[0].check.id}"
    if checked.counts[Status.WARNING]:
        return f"doctor: nothing is broken: {counts}"
    hint = "; to check a user too: --user NAME" if selector.is_empty else ""
    return f"doctor: nothing is wrong: {counts}{hint}"


def _operator_checks(
    checked: CheckRun, selector: UserSelector, ids: DeploymentIds | None
) -> tuple[list[type[Check]], str] | None:
    """Return the checks behind the first failure that need an operator, and the operator's command; None if none do."""
    if not checked.bad:
        return None
    dependencies = with_dependencies({checked.bad[0].check})
    unseen = [check for check in CHECKS if check in dependencies and Requirement.OPERATOR in check.requirements]
    if not unseen:
        return None
    identity_id = next(
        (each.finding.detail for each in checked.results if each.check.id == "PS201" and each.finding.detail), None
    )
    who = ("--identity-id", identity_id) if identity_id else ("--user", str(selector.user_name))
    return unseen, str(PubSubCommand(("doctor", *who, *(ids.options() if ids else ()))))
