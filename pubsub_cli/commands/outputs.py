"""``pubsub outputs``: what a front end or a script must know of a deployment, in the form it reads."""

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

from pubsub_cli.aws import Aws
from pubsub_cli.checks.stack import read_complete_outputs
from pubsub_cli.commands import options
from pubsub_cli.commands.document import document
from pubsub_cli.commands.replacing import replace_file
from pubsub_cli.front_end import CognitoEndpoints, FrontEnd
from pubsub_cli.operations.failure import aws_errors_explained
from pubsub_client.outputs import Output


class Format(StrEnum):
    """Who reads it."""

    JSON = "json"
    AMPLIFY_OUTPUTS = "amplify-outputs"
    AWS_EXPORTS = "aws-exports"
    ENV = "env"


def outputs(
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="json: the stack's outputs. amplify-outputs: amplify_outputs.json (Gen 2). "
            "aws-exports: aws-exports.js (Gen 1). env: NAME=value lines.",
        ),
    ] = Format.JSON,
    prefix: Annotated[str, typer.Option(help="Of the names in --format env, such as VITE_ or NEXT_PUBLIC_.")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", dir_okay=False, help="Write it to this file, replacing it as a whole."),
    ] = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Hand a deployment to a front end or a script."""
    if prefix and form is not Format.ENV:
        raise typer.BadParameter("--prefix goes with --format env")
    if not re.fullmatch(r"([A-Za-z_]\w*)?", prefix, re.ASCII):
        raise typer.BadParameter(f"--prefix: {prefix!r} given; allowed: letters, digits and _, no digit first")
    if json and form is not Format.JSON:
        raise typer.BadParameter("--json is a document of its own: it goes without --format")
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"--file: there is no directory {file.parent}")
    options.log_if(verbose)
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)

    with aws_errors_explained(aws, name):
        values = read_complete_outputs(aws, name)
        text = document("outputs", name, aws.region, outputs=values) if json else _in_form(form, prefix, aws, values)
    if file is None:
        print(text, end="")
    else:
        replace_file("--file", file, text)


def _in_form(form: Format, prefix: str, aws: Aws, values: Mapping[str, str]) -> str:
    match form:
        case Format.JSON:
            return json_module.dumps(values, indent=2) + "\n"
        case Format.ENV:
            return FrontEnd.of(values, endpoints=_endpoints(aws)).dotenv(prefix)
        case Format.AMPLIFY_OUTPUTS:
            return FrontEnd.of(values, _user_pool(aws, values), _endpoints(aws)).amplify_outputs()
        case Format.AWS_EXPORTS:
            return FrontEnd.of(values, _user_pool(aws, values), _endpoints(aws)).aws_exports()


def _user_pool(aws: Aws, values: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return what AWS tells of the user pool; only forms for sign-up need it, so a refusal is told and no more."""
    pool = values[Output.USER_POOL_ID]
    try:
        described = aws.user_pools.describe_user_pool(UserPoolId=pool)["UserPool"]
        return {**described, **aws.user_pools.get_user_pool_mfa_config(UserPoolId=pool)}
    except ClientError as error:
        code = error.response["Error"]["Code"]
        print(
            f"pubsub: sign-up attributes, MFA and password policy are left out: {error.operation_name} answered {code}",
            file=sys.stderr,
        )
        return None


def _endpoints(aws: Aws) -> CognitoEndpoints | None:
    user_pool, identity_pool = aws.custom_endpoint_url("cognito-idp"), aws.custom_endpoint_url("cognito-identity")
    return CognitoEndpoints(user_pool, identity_pool) if user_pool and identity_pool else None
