"""``pubsub outputs``: print a deployment's configuration in the format of a front end or a script."""

from __future__ import annotations

import json as json_module
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from pubsub_cli import options
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.files import write_atomically
from pubsub_cli.front_end import CognitoEndpoints, FrontEnd
from pubsub_cli.json_file import CannotMergeError, dump, merge_amplify_outputs, merge_outputs, parse_object
from pubsub_cli.output import json_document
from pubsub_cli.stack import read_complete_outputs
from pubsub_client._printable import one_line
from pubsub_client.outputs import Output


class Format(StrEnum):
    """The format of the configuration."""

    JSON = "json"
    AMPLIFY_OUTPUTS = "amplify-outputs"
    AWS_EXPORTS = "aws-exports"
    ENV = "env"


def outputs(
    target: options.StackOptions,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Print json (the stack's outputs), amplify-outputs (amplify_outputs.json of Gen 2), "
            "aws-exports (aws-exports.js of Gen 1) or env (NAME=value lines).",
        ),
    ] = Format.JSON,
    prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="Begin names with this in --format env, such as VITE_.")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            dir_okay=False,
            help="Write to FILE, as a whole or not at all. An existing JSON file keeps its other keys.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that cannot be merged, such as JavaScript or env.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Print a deployment's configuration for a front end or a script.

    Examples:
      pubsub outputs --format amplify-outputs --file amplify_outputs.json
      pubsub outputs --format env --prefix VITE_
    """
    if prefix and form is not Format.ENV:
        raise typer.BadParameter("--prefix goes with --format env")
    if not re.fullmatch(r"([A-Za-z_]\w*)?", prefix, re.ASCII):
        raise typer.BadParameter(f"--prefix: {prefix!r} given; allowed: letters, digits and _, no digit first")
    if json and form is not Format.JSON:
        raise typer.BadParameter("--json cannot be combined with --format")
    if force and file is None:
        raise typer.BadParameter("--force goes with --file")
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"--file: there is no directory {file.parent}")
    run, aws = target.start("outputs"), target.aws
    with aws_errors_explained(aws, run.stack):
        values = read_complete_outputs(aws, run.stack)
        text = json_document(run, outputs=values) if json else _formatted(form, prefix, aws, values)
    if file is None:
        print(text, end="")
        return
    if not force or form in (Format.JSON, Format.AMPLIFY_OUTPUTS):
        try:
            text = _merged(form, file, text)
        except CannotMergeError as error:
            if not force:
                print(text, end="")
                raise PreconditionError(
                    f"--file: {file} exists and was not changed, because {error}. Paste the text above into it, or "
                    "give --force to replace the file"
                ) from None
    write_atomically("--file", file, text)


def _merged(form: Format, file: Path, text: str) -> str:
    """Return the new content of a file: the text, and what the file already has.

    Raises:
        CannotMergeError: the file has something that would be lost.
        PreconditionError: the file cannot be read.
    """
    if not file.is_file():  # new, or special such as a pipe
        return text
    try:
        existing = file.read_bytes().decode()
    except UnicodeDecodeError:
        raise CannotMergeError("it is not UTF-8 text") from None
    except OSError as error:
        raise PreconditionError(f"--file: {file} cannot be read: {error.strerror}") from error
    if not existing.strip() or existing == text:
        return text
    if form not in (Format.JSON, Format.AMPLIFY_OUTPUTS):
        raise CannotMergeError(f"--format {form} cannot be merged into it")
    old, new = parse_object(existing), parse_object(text)
    if form is Format.AMPLIFY_OUTPUTS:
        merged = merge_amplify_outputs(old, new)
        _report_other_pools(file, old.get("auth") or {}, merged["auth"])
        return dump(merged, existing)
    return dump(merge_outputs(old, new, [*Output]), existing)


def _report_other_pools(file: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in ("user_pool_id", "user_pool_client_id", "identity_pool_id"):
        if key in old and old[key] != new[key]:
            line = one_line(f"pubsub: {file}: auth.{key} was {old[key]}, and is now {new[key]}")
            print(line, file=sys.stderr)


def _formatted(form: Format, prefix: str, aws: Aws, values: Mapping[str, str]) -> str:
    match form:
        case Format.JSON:
            return json_module.dumps(values, indent=2) + "\n"
        case Format.ENV:
            return FrontEnd(values, endpoints=_endpoints(aws)).dotenv(prefix)
        case Format.AMPLIFY_OUTPUTS:
            return FrontEnd(values, _user_pool(aws, values), _endpoints(aws)).amplify_outputs()
        case Format.AWS_EXPORTS:
            return FrontEnd(values, _user_pool(aws, values), _endpoints(aws)).aws_exports()


def _user_pool(aws: Aws, values: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return the user pool; None if the call is denied, because only sign-up forms need it."""
    pool = values[Output.USER_POOL_ID]
    try:
        described = aws.user_pools.describe_user_pool(UserPoolId=pool)["UserPool"]
        return {**described, **aws.user_pools.get_user_pool_mfa_config(UserPoolId=pool)}
    except ClientError as error:
        code = error.response["Error"]["Code"]
        print(
            f"pubsub: sign-up attributes, MFA and password policy are missing: {error.operation_name} answered {code}",
            file=sys.stderr,
        )
        return None


def _endpoints(aws: Aws) -> CognitoEndpoints | None:
    user_pool, identity_pool = aws.custom_endpoint_url("cognito-idp"), aws.custom_endpoint_url("cognito-identity")
    return CognitoEndpoints(user_pool, identity_pool) if user_pool and identity_pool else None
