"""Takes the stack down, after saying what is lost with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.checks.stack import describe_stack, outputs_of
from pubsub_cli.confirm import check_can_confirm
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import Output
from tools.cdk_cli import REPOSITORY, cdk_command, run_in_foreground
from tools.target import Target


def destroy(profile: str | None, region: str | None, environment: str | None, *, yes: bool) -> int:
    """Destroy the stack once its name is typed, or ``yes``; return 0, or 1 if it could not be destroyed.

    Raises:
        PreconditionError: a guard stops it, or the name typed is another.
        OperationError: AWS refuses what a guard asks.
        SettingsError: a setting is wrong.
    """
    check_can_confirm(yes=yes, alternative="give --yes, with make YES=1")
    target = Target.find(profile, region, environment)
    target.show()
    with aws_errors_explained(target.aws, target.stack):
        stack = DeployedStack.find(target)
        print(f"  {'users':<12} {stack.fate(_users(target, stack))}", flush=True)
        _check_fits(target, stack)
    if not yes:
        _confirm(target.stack)
    command = cdk_command("destroy", target.stack, *target.context, "--force")
    if run_in_foreground(command, cwd=REPOSITORY, env=target.variables()) != 0:
        return 1
    pool = stack.outputs.get(Output.USER_POOL_ID)
    if pool and stack.user_pool_kept and stack.user_pool_made:
        print(kept(pool, stack.outputs.get(Output.USER_POOL_CLIENT_ID), target.settings.attachment))
    return 0


@dataclass(frozen=True)
class DeployedStack:
    """The stack as it is deployed, whatever the settings have become since."""

    outputs: Mapping[str, str]
    """By name; the ids of the user pool and the app client are there as soon as they have been made."""
    user_pool_kept: bool
    """Whether the user pool outlives the stack: kept by its deletion policy, or never the stack's own."""
    user_pool_made: bool
    """Whether the user pool is the stack's own; an adopted one is in the settings already."""
    most_attached: int | None
    """How many identities can be detached while CloudFormation waits; None of a version that does not say."""

    @classmethod
    def find(cls, target: Target) -> Self:
        """Read it.

        Raises:
            PreconditionError: there is no such stack, or it is protected.
            botocore.exceptions.ClientError: it may not be read.
        """
        stack = describe_stack(target.aws, target.stack)
        if stack is None:
            raise PreconditionError(f"there is no stack {target.stack} in {target.region}: nothing to destroy")
        if stack.get("EnableTerminationProtection"):
            raise PreconditionError(
                f"stack {target.stack} is protected against its termination; this lifts it: "
                "aws cloudformation update-termination-protection --no-enable-termination-protection "
                f"--stack-name {target.stack}{target.aws.cli_options}"
            )
        template = target.aws.cloudformation.get_template(StackName=target.stack)["TemplateBody"]
        resources = read_resources(template)
        return cls(
            _resource_ids(target) | outputs_of(stack),
            keeps_user_pool(resources),
            bool(_user_pools(resources)),
            most_attached(resources),
        )

    def fate(self, users: int | None) -> str:
        """Say what becomes of the users."""
        if users is None:
            return "there is no user pool"
        return f"about {users}, kept with their user pool" if self.user_pool_kept else f"about {users}, LOST with it"


def _resource_ids(target: Target) -> dict[str, str]:
    """Return the ids of what may be kept, under the names of the outputs: a stack that failed at first has none."""
    pages = target.aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=target.stack)
    names = {"AWS::Cognito::UserPool": Output.USER_POOL_ID, "AWS::Cognito::UserPoolClient": Output.USER_POOL_CLIENT_ID}
    return {
        names[each["ResourceType"]]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] in names
        and "Internal" not in each["LogicalResourceId"]
        and "PhysicalResourceId" in each
    }


def read_resources(template: Mapping[str, Any] | str) -> list[Mapping[str, Any]]:
    """Return a template's resources; CloudFormation gives it as JSON or read already."""
    return list((json.loads(template) if isinstance(template, str) else template)["Resources"].values())


def keeps_user_pool(resources: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a template's user pool outlives its stack; one that the template does not make does."""
    return all(each.get("DeletionPolicy", "Delete") != "Delete" for each in _user_pools(resources))


def _user_pools(resources: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in resources if each["Type"] == "AWS::Cognito::UserPool"]


def most_attached(resources: Sequence[Mapping[str, Any]]) -> int | None:
    """Return with how many identities attached the stack's own guard lets a deletion begin; None without a guard."""
    guards = (each["Properties"] for each in resources if each["Type"] == "Custom::DeletionGuard")
    return next((int(each["MaxIdentities"]) for each in guards), None)


def _check_fits(target: Target, stack: DeployedStack) -> None:
    """Check what the stack's guard would stop too, but CloudFormation updates no stack again whose deletion failed.

    Raises:
        PreconditionError: more identities are attached than can be detached in time.
    """
    policy_name = stack.outputs.get(Output.POLICY_NAME)
    if policy_name is None or stack.most_attached is None:
        return
    iot, attached = target.aws.iot, 0
    try:
        for page in iot.get_paginator("list_targets_for_policy").paginate(
            policyName=policy_name, PaginationConfig={"PageSize": 250}
        ):
            attached += len(page["targets"])
            if attached > stack.most_attached:
                raise PreconditionError(
                    f"{policy_name} is attached to more identities than the {stack.most_attached} that can be detached "
                    "while CloudFormation waits: nothing is destroyed. Have them detached first, for as long as it "
                    f"takes: pubsub detach --all --stack {target.stack}{target.aws.cli_options}"
                )
    except iot.exceptions.ResourceNotFoundException:
        return


def _users(target: Target, stack: DeployedStack) -> int | None:
    """Return Cognito's estimate; None if the stack broke before it had a user pool, or somebody deleted it."""
    pool, user_pools = stack.outputs.get(Output.USER_POOL_ID), target.aws.user_pools
    if pool is None:
        return None
    try:
        return user_pools.describe_user_pool(UserPoolId=pool)["UserPool"]["EstimatedNumberOfUsers"]
    except user_pools.exceptions.ResourceNotFoundException:
        return None


def kept(user_pool_id: str, client_id: str | None, attachment: str) -> str:
    """Say what is kept, and with which settings to deploy on it again; without ``attachment`` it would be another."""
    if client_id is None:
        return f"kept: user pool {user_pool_id}. To deploy on it again: pubsub adopt --user-pool-id {user_pool_id}"
    adopt = {"userPoolId": user_pool_id, "userPoolClientIds": [client_id]}
    settings = json.dumps({"adopt": adopt, "attachment": attachment})
    return (
        f"kept: user pool {user_pool_id}, app client {client_id}. To deploy on it again, add to the environment's "
        f"settings in cdk.json: {settings}"
    )


def _confirm(stack: str) -> None:
    if input("Type the stack's name to destroy it: ").strip() != stack:
        raise PreconditionError("that is not its name: nothing is destroyed")
