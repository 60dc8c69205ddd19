"""``pubsub doctor``: check a deployment from its settings to a message, and show fixes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any, NoReturn

import typer

from pubsub_cli import options
from pubsub_cli.adoption.plan import USUAL_POLICY_NAME
from pubsub_cli.app_config import AppConfig, region_of_ids
from pubsub_cli.apply_fixes import FixRunner
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.check_run import CheckRun, check_ids, check_junit, finish_check_run, show_check_run, show_line
from pubsub_cli.checks.amplify_packages import FrontEndPackages
from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_DOCTOR, select_checks, with_dependencies
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.connection import MessageComesBack, UserConnects
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, IdToken, Requirement, UserSelector
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.errors import ExitCode, PreconditionError
from pubsub_cli.explained_policy import show_explained_policy
from pubsub_cli.finding import PubSubCommand, Status
from pubsub_cli.iam.policy_file import explain_policy, read_policy_file
from pubsub_cli.options import RunOptions
from pubsub_cli.signals import interrupt_on_sigterm
from pubsub_cli.terminal import check_can_confirm
from pubsub_client._printable import one_line

_FRONT_END = "Front end"
_IDS = "Deployment by ids, if it is not a stack of this toolkit"
_POLICY_FILE_GOES_WITH = (
    "--policy-file goes only with --topic, --client-id, --identity-id, --region, --json and --redact"
)


@dataclass(frozen=True)
class FrontEndOptions:
    """The options for the front end."""

    topic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC",
            help="Check this topic or topic filter. Repeatable. The doctor publishes to the first topic.",
            rich_help_panel=_FRONT_END,
        ),
    ] = None
    client_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Connect once with this MQTT client id. This disconnects another client with the id.",
            rich_help_panel=_FRONT_END,
        ),
    ] = None
    keep_alive: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", min=0, help="Check this MQTT keep-alive.", rich_help_panel=_FRONT_END),
    ] = None
    payload_bytes: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Check this size of the largest message.", rich_help_panel=_FRONT_END),
    ] = None
    subscriptions: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Check this number of topic filters of a connection.", rich_help_panel=_FRONT_END
        ),
    ] = None
    package_json: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Check the Amplify packages in this file.", rich_help_panel=_FRONT_END
        ),
    ] = None

    def config(self, pubsub_region: str | None) -> FrontEndConfig:
        """Return the front end's settings.

        Args:
            pubsub_region: the region in which the front end signs its connections, if --config has it.

        Raises:
            PreconditionError: the file of --package-json cannot be read.
        """
        if self.package_json:
            FrontEndPackages.read(self.package_json)
        return FrontEndConfig(
            tuple(self.topic or ()),
            self.client_id,
            self.keep_alive,
            self.payload_bytes,
            self.subscriptions,
            self.package_json,
            pubsub_region,
        )


@dataclass(frozen=True)
class DeploymentIdOptions:
    """The options for a deployment that is not a stack of this toolkit."""

    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Read the ids from the app's amplify_outputs.json, aws-exports.js, amplifyconfiguration.json or .env.",
            rich_help_panel=_IDS,
        ),
    ] = None
    user_pool_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Check this user pool.", rich_help_panel=_IDS)
    ] = None
    user_pool_client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Check this app client of the front end.", rich_help_panel=_IDS)
    ] = None
    identity_pool_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Check this identity pool.", rich_help_panel=_IDS)
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Check this AWS IoT endpoint of the front end.", rich_help_panel=_IDS),
    ] = None
    policy_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Check this IoT policy. Default with --config: {USUAL_POLICY_NAME}, as in Amplify's guide.",
            rich_help_panel=_IDS,
        ),
    ] = None

    def with_config(self) -> tuple[DeploymentIdOptions, str | None]:
        """Return the options with values from --config, and the region in which the front end signs its connections.

        Raises:
            PreconditionError: the file cannot be read, or lacks a value that no option gives.
        """
        if self.config is None:
            return self, None
        app = AppConfig.read(self.config)
        required = ("user_pool_id", "identity_pool_id", "endpoint")
        optional = ("user_pool_client_id",) if app.is_client_of(self.user_pool_id) else ()
        given = {each: getattr(self, each) for each in (*required, *optional)}
        app.check(given, required)
        ids = replace(
            self,
            **{each: value or getattr(app, each) for each, value in given.items()},
            policy_name=self.policy_name or app.policy_name or USUAL_POLICY_NAME,
        )
        return ids, app.pubsub_region

    def deployment_ids(self, region: str | None, token: IdToken | None, *, as_operator: bool) -> DeploymentIds | None:
        """Return the deployment that the options describe; None if it is a stack.

        Raises:
            typer.BadParameter: some of the ids are missing.
            PreconditionError: there are no credentials to read the stack, or to check the deployment.
        """
        if not any(vars(self).values()):
            if not as_operator:
                raise PreconditionError(
                    "there are no AWS credentials: give them by --profile or the environment. To check as the front "
                    "end's user, give --id-token, --identity-pool-id, --endpoint and --region"
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
    target: options.StackOptions,
    selected: options.IdentityOptions,
    front_end: FrontEndOptions,
    given_ids: DeploymentIdOptions,
    password_stdin: options.PasswordStdin = False,
    as_end_user: Annotated[
        bool,
        typer.Option(
            "--as-end-user",
            help="Ignore AWS credentials, and check with --id-token only.",
            rich_help_panel=options.WHO,
        ),
    ] = False,
    only: options.Only = None,
    skip: options.Skip = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait up to --timeout for slow changes.")] = False,
    timeout: options.WaitTimeout = None,
    policy_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Explain only the IoT policy document in this file, without AWS credentials.",
            rich_help_panel=_FRONT_END,
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Run the fixes that add or restore something, then check again.")
    ] = False,
    yes: options.Yes = False,
    json: options.Json = False,
    junit: options.Junit = None,
    redact: options.Redact = False,
) -> None:
    """Find why a connection is refused, and how to fix it.

    The doctor changes no settings without --fix. It also checks deployments that this toolkit did not make, by their
    ids. With --id-token a front end's user needs no AWS credentials.

    With --password-stdin it signs in, which can attach the IoT policy, and publishes a test message, as with
    --id-token. With --client-id it also disconnects the client that is connected with this id.

    Examples:
      pubsub doctor
      pubsub doctor --user ada --password-stdin
      pubsub doctor --config amplify_outputs.json --user ada
      pubsub doctor --user ada --topic 'orders/#' --package-json package.json
      pubsub doctor --policy-file policy.json --topic 'orders/#'
    """
    check_junit(junit)
    check_ids("--skip", skip or (), CHECKS)
    check_ids("--only", only or (), CHECKS)
    if policy_file:
        others = (fix, yes, wait, timeout, as_end_user, password_stdin, only, skip, junit)
        if any(others) or given_ids != DeploymentIdOptions():
            raise typer.BadParameter(_POLICY_FILE_GOES_WITH)
        run = RunOptions("doctor", stack=str(policy_file), json=json, redact=redact)
        _explain_policy_file(run, policy_file, target, selected, front_end)
    if yes and not fix:
        raise typer.BadParameter("--yes goes with --fix")
    if fix:
        check_can_confirm(yes=yes)
    if given_ids != DeploymentIdOptions() and (target.stack or target.environment):
        raise typer.BadParameter("--stack and --environment cannot be combined with --config or the deployment's ids")
    given_ids, pubsub_region = given_ids.with_config()
    config = front_end.config(pubsub_region)
    selector = _selector(selected, password_stdin)
    target = replace(target, region=region_of_ids(target.region, given_ids.user_pool_id, given_ids.identity_pool_id))
    aws, name = target.aws, target.stack_name
    as_operator = not as_end_user and _has_credentials(aws)
    ids = given_ids.deployment_ids(aws.region, selector.id_token, as_operator=as_operator)
    shown_name = ids.identity_pool_id if ids else name
    run = target.start("doctor", stack=shown_name, json=json, junit=junit, redact=redact, skip=skip or ())
    make_context = partial(
        Context,
        aws=aws,
        stack=name,
        timeout=options.seconds_to_wait(wait, timeout),
        as_operator=as_operator,
        allow_probes=False,
        selector=selector,
        front_end=config,
        deployment_ids=ids,
        rerun_command=shlex.join(("pubsub", *sys.argv[1:])),
    )
    reported = REPORTED_BY_DOCTOR if as_operator else REPORTED_BY_DOCTOR - {Requirement.OPERATOR}

    def check(*, announce: bool = False) -> CheckRun:
        def select(context: Context) -> list[type[Check]]:
            checks = select_checks(context.available, reported, only or ())
            if announce and (actions := _actions(context, {each for each in checks if each.id not in run.skip})):
                print(f"pubsub: this run {run.masked('; '.join(actions))}", file=sys.stderr)
            return checks

        return show_check_run(run, lambda cleanup: make_context(cleanup=cleanup), select)

    checked = check(announce=True)
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
        show_line(run, f"Run: {command}")
    finish_check_run(run, checked, _last_line(checked, selector), **members)


def _explain_policy_file(
    run: RunOptions,
    policy_file: Path,
    target: options.StackOptions,
    selected: options.IdentityOptions,
    front_end: FrontEndOptions,
) -> NoReturn:
    """Explain the document of --policy-file.

    Raises:
        typer.BadParameter: an option that does not apply is given, or --identity-id is malformed.
        PreconditionError: the file contains no policy document.
        typer.Exit: always.
    """
    if (
        replace(target, region=None, verbose=False) != options.StackOptions()
        or replace(selected, identity_id=None) != options.IdentityOptions()
        or replace(front_end, topic=None, client_id=None) != FrontEndOptions()
    ):
        raise typer.BadParameter(_POLICY_FILE_GOES_WITH)
    selected.check(required=False)
    explained = explain_policy(
        read_policy_file(policy_file),
        front_end.topic or (),
        client_id=front_end.client_id,
        identity_id=selected.identity_id,
        region=target.region,
    )
    show_explained_policy(run, explained)


def _has_credentials(aws: Aws) -> bool:
    """Return whether there are AWS credentials, valid or not.

    Raises:
        PreconditionError: the configured credentials cannot be loaded.
        OperationError: AWS rejected them.
    """
    with aws_errors_explained(aws, "AWS"):
        return aws.has_credentials


def _selector(selected: options.IdentityOptions, password_stdin: bool) -> UserSelector:
    """Return the user or identity that the options select, with the password from standard input.

    Raises:
        typer.BadParameter: the options contradict each other, or one is malformed.
        PreconditionError: the file has no ID token.
    """
    selected.check(required=False)
    if password_stdin and selected.user is None:
        raise typer.BadParameter("--password-stdin goes with --user")
    id_token = selected.read_id_token()
    return UserSelector(
        selected.user,
        options.read_password() if password_stdin else None,
        selected.identity_id,
        None if id_token is None else IdToken.parse(id_token),
    )


def _actions(context: Context, checks: Collection[type[Check]]) -> list[str]:
    """Return what a run does as the selected user, other than reading, for a sentence."""
    available, config = context.available, context.front_end
    if Requirement.TOKEN not in available:
        return []
    actions = []
    if Requirement.PASSWORD in available and UserSignsIn in checks:
        actions.append("signs in as the user, which can attach the IoT policy")
    if MessageComesBack in checks and (context.deployment_ids is None or config.topics):
        actions.append("publishes a test message")
    if config.client_id is not None and UserConnects in checks:
        actions.append(f"disconnects the client that is connected as {one_line(config.client_id)}")
    return actions


def _last_line(checked: CheckRun, selector: UserSelector) -> str:
    counts = f"{checked.summary} in {checked.seconds:.1f} s"
    if checked.bad:
        return f"doctor: {counts}; start with {checked.bad[0].check.id}"
    if checked.counts[Status.WARNING]:
        return f"doctor: nothing is broken: {counts}"
    hint = "\nTo check a user too: pubsub doctor --user NAME" if selector.is_empty else ""
    return f"doctor: nothing is wrong: {counts}{hint}"


def _operator_checks(
    checked: CheckRun, selector: UserSelector, ids: DeploymentIds | None
) -> tuple[list[type[Check]], str] | None:
    """Return the operator checks that can explain the first failure, and the command for them; None without any."""
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
