"""``pubsub doctor``: look at the whole chain from settings to round trip, name what is wrong, and how to mend it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.checks.amplify_packages import FrontEndPackages
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, IdToken, UserSelector
from pubsub_cli.commands import options
from pubsub_cli.commands.asking import check_may_ask
from pubsub_cli.commands.checking import Checking, Run, check_ids, check_junit
from pubsub_cli.commands.examining import Examination
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.fixing import Fixing
from pubsub_cli.commands.interrupting import interrupt_on_sigterm
from pubsub_cli.commands.subject import check_identity_id, read_id_token
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Status
from pubsub_cli.operations.failure import aws_errors_explained

_WHOM = "Whom to ask about"
_BY_HAND = "A deployment that is no stack of this toolkit"
_APP = "What the front end does"

UserPoolId = Annotated[str | None, typer.Option(help="Its user pool.", rich_help_panel=_BY_HAND)]
UserPoolClientId = Annotated[str | None, typer.Option(help="The front end's app client.", rich_help_panel=_BY_HAND)]
IdentityPoolId = Annotated[str | None, typer.Option(help="Its identity pool.", rich_help_panel=_BY_HAND)]
Endpoint = Annotated[
    str | None,
    typer.Option(help="The AWS IoT endpoint the front end is configured with.", rich_help_panel=_BY_HAND),
]
PolicyName = Annotated[
    str | None, typer.Option(help="The IoT policy that its users are to have.", rich_help_panel=_BY_HAND)
]
User = Annotated[
    str | None, typer.Option(metavar="NAME", help="The user of this name or alias.", rich_help_panel=_WHOM)
]
PasswordStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Sign in as that user, with the password from standard input.",
        rich_help_panel=_WHOM,
    ),
]
IdentityId = Annotated[
    str | None, typer.Option("--identity-id", metavar="ID", help="The identity of this id.", rich_help_panel=_WHOM)
]
IdTokenFile = Annotated[
    str | None,
    typer.Option(
        "--id-token",
        metavar="FILE",
        help="The user of the ID token in this file; - is standard input. Without AWS credentials this is all that a "
        "front end's user has to give.",
        rich_help_panel=_WHOM,
    ),
]
AsEndUser = Annotated[
    bool,
    typer.Option(
        "--as-end-user",
        help="See what a front end's user sees, by --id-token, though there are AWS credentials.",
        rich_help_panel=_WHOM,
    ),
]
Topic = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        help="A topic or topic filter it uses; may be repeated. A message is sent to the first, if one may be.",
        rich_help_panel=_APP,
    ),
]
ClientId = Annotated[
    str | None,
    typer.Option(
        help="The MQTT client id it connects with: connects with it once, which ends the connection of whoever else "
        "uses it.",
        rich_help_panel=_APP,
    ),
]
KeepAlive = Annotated[int | None, typer.Option(min=0, help="Its MQTT keep-alive in seconds.", rich_help_panel=_APP)]
PayloadBytes = Annotated[int | None, typer.Option(min=0, help="Its largest message.", rich_help_panel=_APP)]
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
Wait = Annotated[
    bool, typer.Option("--wait", help="Look again for --timeout seconds at what may take its time to act.")
]
Fix = Annotated[
    bool, typer.Option("--fix", help="Run the fixes that add or restore what is missing, after asking; check again.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


def doctor(
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    user: User = None,
    password_stdin: PasswordStdin = False,
    identity_id: IdentityId = None,
    id_token: IdTokenFile = None,
    user_pool_id: UserPoolId = None,
    user_pool_client_id: UserPoolClientId = None,
    identity_pool_id: IdentityPoolId = None,
    endpoint: Endpoint = None,
    policy_name: PolicyName = None,
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
    verbose: options.Verbose = False,
) -> None:
    """Name the cause of a refused connection, and the command that mends it; read-only without --fix."""
    from pubsub_cli.checks.catalogue import CHECKS

    check_junit(junit)
    check_ids("--skip", skip or (), CHECKS)
    check_ids("--only", only or (), CHECKS)
    if yes and not fix:
        raise typer.BadParameter("--yes answers what --fix asks: give both")
    if fix:
        check_may_ask(yes=yes)
    options.log_if(verbose)
    if package_json:
        FrontEndPackages.read(package_json)
    selector = _selector(user, password_stdin, identity_id, id_token)
    aws = Aws(profile, _region(region, identity_pool_id), endpoint_url)
    by_hand = _ByHand(user_pool_id, user_pool_client_id, identity_pool_id, endpoint, policy_name)
    as_operator = not as_end_user and _has_credentials(aws)
    front_end = FrontEndConfig(tuple(topic or ()), client_id, keep_alive, payload_bytes, subscriptions, package_json)
    examination = Examination(
        aws,
        options.stack_name(stack, environment),
        timeout if wait else 0.0,
        selector,
        front_end,
        by_hand.ids(aws.region, selector.id_token, as_operator=as_operator),
        as_operator,
        tuple(only or ()),
    )
    checking = Checking("doctor", examination.name, aws.region, json, junit, redact, skip or ())
    run = examination.run(checking)
    fixing = Fixing(aws, checking, ask=not yes)
    if fix:
        interrupt_on_sigterm()
        fixing.fix(run)
        if fixing.interrupted:
            raise typer.Exit(ExitCode.INTERRUPTED)
    if fixing.changed:
        checking.console.print("Checked again:")
        run = examination.run(checking)
    left = examination.left_to_an_operator(run)
    for line in left.lines if left else ():
        checking.console.print(checking.shown(line), soft_wrap=True)
    members: dict[str, Any] = {"operator": left.members} if left else {}
    if fix:
        members["fixes"] = [each.member for each in fixing.steps]
    checking.end(run, _last_line(run, selector), **members)


@dataclass(frozen=True)
class _ByHand:
    """The ids as the options give them."""

    user_pool_id: str | None
    user_pool_client_id: str | None
    identity_pool_id: str | None
    endpoint: str | None
    policy_name: str | None

    def ids(self, region: str | None, token: IdToken | None, *, as_operator: bool) -> DeploymentIds | None:
        """Return the deployment they mean; None if it is a stack.

        Raises:
            typer.BadParameter: some of the ids are wanting.
            PreconditionError: it is a stack, and nobody's credentials are there to read it.
        """
        if not any(getattr(self, each.name) for each in fields(self)):
            if not as_operator:
                raise PreconditionError(
                    "there are no AWS credentials: give them by --profile or the environment; or, to ask as the front "
                    "end's user, --id-token, --identity-pool-id, --endpoint and --region"
                )
            return None
        user_pool_id = self.user_pool_id or (token.user_pool_id if token else None)
        needed = {
            "--region": region,
            "--user-pool-id": user_pool_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": self.endpoint,
            "--policy-name": self.policy_name if as_operator else "not asked",
        }
        if missing := [name for name, value in needed.items() if not value]:
            raise typer.BadParameter(f"a deployment that is no stack needs {', '.join(missing)} too")
        if not as_operator and token is None:
            raise PreconditionError(
                "there are no AWS credentials: give them, or ask as the front end's user: --id-token"
            )
        client_id = self.user_pool_client_id or (token.client_id if token else None)
        return DeploymentIds(
            str(region), str(user_pool_id), str(self.identity_pool_id), str(self.endpoint), self.policy_name, client_id
        )


def _has_credentials(aws: Aws) -> bool:
    """Tell whether there are credentials, good or not.

    Raises:
        PreconditionError: the way to them is broken.
        OperationError: AWS refuses them.
    """
    with aws_errors_explained(aws, "AWS"):
        return aws.has_credentials


def _region(region: str | None, identity_pool_id: str | None) -> str | None:
    """Return the region: an identity pool's id begins with its own.

    Raises:
        typer.BadParameter: the two options contradict each other.
    """
    of_pool, found, _ = (identity_pool_id or "").partition(":")
    if not found:
        return region
    if region and region != of_pool:
        raise typer.BadParameter(f"--region is {region}, and --identity-pool-id is of {of_pool}")
    return of_pool


def _selector(user: str | None, password_stdin: bool, identity_id: str | None, id_token: str | None) -> UserSelector:
    """Return whom the options mean.

    Raises:
        typer.BadParameter: several, or one that cannot be right.
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


def _last_line(run: Run, selector: UserSelector) -> str:
    if run.bad:
        first = run.bad[0].check
        return f"doctor: look at {first.id} first, {first.title}: {run.told_counts}, {run.seconds:.1f} s"
    if run.counts[Status.WARNING]:
        return f"doctor: nothing is broken: {run.told_counts}, {run.seconds:.1f} s"
    further = "; name somebody to look further: --user NAME" if selector.is_empty else ""
    return f"doctor: nothing is wrong: {run.told_counts}, {run.seconds:.1f} s{further}"
