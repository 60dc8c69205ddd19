"""`make destroy`: delete the stack in an AWS account, after showing what happens to the users."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.stack import describe_stack, outputs_of
from pubsub_cli.terminal import check_can_confirm
from pubsub_client.outputs import Output
from tools.cdk_cli import REPOSITORY, cdk_command, run_in_foreground
from tools.target import Target


def destroy(profile: str | None, region: str | None, environment: str | None, *, yes: bool) -> int:
    """Destroy the stack after its name is typed, or with ``yes``; return 0, or 1 if it could not be destroyed.

    Raises:
        PreconditionError: a precondition is not met, or another name was typed.
        OperationError: AWS rejected a call of a precondition.
        SettingsError: a setting is wrong.
    """
    check_can_confirm(yes=yes, alternative="give --yes, with make YES=1")
    target = Target.find(profile, region, environment)
    target.show()
    with aws_errors_explained(target.aws, target.stack):
        stack = DeployedStack.find(target)
        print(f"  {'users':<12} {stack.fate(_users(target, stack))}", flush=True)
        _check_attachments(target, stack)
    if not yes:
        _confirm(target.stack)
    command = cdk_command("destroy", target.stack, *target.context, "--force")
    if run_in_foreground(command, cwd=REPOSITORY, env=target.variables()) != 0:
        return 1
    pool = stack.outputs.get(Output.USER_POOL_ID)
    if pool and stack.user_pool_kept and stack.user_pool_created:
        print(kept(pool, stack.outputs.get(Output.USER_POOL_CLIENT_ID), target.settings.attachment))
    return 0


@dataclass(frozen=True)
class DeployedStack:
    """The stack as it was deployed; the settings may have changed since."""

    outputs: Mapping[str, str]
    """By name. A stack whose first deployment failed has no outputs except the ids of user pool and app client."""
    user_pool_kept: bool
    """Whether the user pool outlives the stack, because of its deletion policy or because it was adopted."""
    user_pool_created: bool
    """Whether the stack created the user pool."""
    max_attached: int | None
    """How many identities can be detached while CloudFormation waits; None if the stack has no deletion guard."""

    @classmethod
    def find(cls, target: Target) -> Self:
        """Read the deployed stack.

        Raises:
            PreconditionError: there is no such stack, or its termination protection is on.
            botocore.exceptions.ClientError: CloudFormation rejected a call.
        """
        stack = describe_stack(target.aws, target.stack)
        if stack is None:
            raise PreconditionError(f"there is no stack {target.stack} in {target.region}: nothing to destroy")
        if stack.get("EnableTerminationProtection"):
            raise PreconditionError(
                f"stack {target.stack} has termination protection; remove it with: "
                "aws cloudformation update-termination-protection --no-enable-termination-protection "
                f"--stack-name {target.stack}{target.aws.cli_options}"
            )
        template: Any = target.aws.cloudformation.get_template(StackName=target.stack)["TemplateBody"]
        resources = (json.loads(template) if isinstance(template, str) else template)["Resources"].values()
        user_pools = [each for each in resources if each["Type"] == "AWS::Cognito::UserPool"]
        return cls(
            _resource_ids(target) | outputs_of(stack),
            all(each.get("DeletionPolicy", "Delete") != "Delete" for each in user_pools),
            bool(user_pools),
            _max_attached(resources),
        )

    def fate(self, users: int | None) -> str:
        """Return what happens to the users."""
        if users is None:
            return "there is no user pool"
        return f"about {users}, kept with their user pool" if self.user_pool_kept else f"about {users}, LOST with it"


def _resource_ids(target: Target) -> dict[str, str]:
    """Return the ids of user pool and app client under the names of their outputs."""
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


def _max_attached(resources: Iterable[Mapping[str, Any]]) -> int | None:
    guards = (each["Properties"] for each in resources if each["Type"] == "Custom::DeletionGuard")
    return next((int(each["MaxIdentities"]) for each in guards), None)


def _check_attachments(target: Target, stack: DeployedStack) -> None:
    """Check what the deletion guard checks too, because CloudFormation cannot update a stack whose deletion failed.

    Raises:
        PreconditionError: more identities are attached than can be detached in time.
    """
    policy_name = stack.outputs.get(Output.POLICY_NAME)
    if policy_name is None or stack.max_attached is None:
        return
    iot, attached = target.aws.iot, 0
    try:
        for page in iot.get_paginator("list_targets_for_policy").paginate(
            policyName=policy_name, PaginationConfig={"PageSize": 250}
        ):
            attached += len(page["targets"])
            if attached > stack.max_attached:
                raise PreconditionError(
                    f"{policy_name} is attached to more identities than the {stack.max_attached} that can be detached "
                    "while CloudFormation waits, so nothing is destroyed. Detach them first: "
                    f"pubsub detach --all --stack {target.stack}{target.aws.cli_options}"
                )
    except iot.exceptions.ResourceNotFoundException:
        return


def _users(target: Target, stack: DeployedStack) -> int | None:
    """Return Cognito's estimate of the number of users; None if there is no user pool."""
    pool, user_pools = stack.outputs.get(Output.USER_POOL_ID), target.aws.user_pools
    if pool is None:
        return None
    try:
        return user_pools.describe_user_pool(UserPoolId=pool)["UserPool"]["EstimatedNumberOfUsers"]
    except user_pools.exceptions.ResourceNotFoundException:
        return None


def kept(user_pool_id: str, client_id: str | None, attachment: str) -> str:
    """Return which user pool is kept, and how to deploy on it again."""
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
        raise PreconditionError("that is not the stack's name: nothing is destroyed")
