"""What the setting ``adopt`` does not say, looked up when the app is synthesized."""

from __future__ import annotations

from pubsub_cli.adoption.discovery import Adopted, AdoptionError, find
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError

from .adopt import Adopt
from .settings import CONTEXT_KEY, Settings, SettingsError

_HOW = "or give every id: `pubsub adopt` prints them"


def look_up(settings: Settings, *, account_id: str | None, region: str | None) -> Settings:
    """Return the settings with every id of what is adopted.

    Args:
        settings: as they are written; returned as they are if nothing is missing.
        account_id: the account to deploy to, as the CDK CLI tells it. The CLI's ``--profile`` does not reach the app.
        region: the region to deploy to.

    Raises:
        SettingsError: what is adopted is not there or not clear, or AWS cannot be asked about that account.
    """
    if settings.adopt.is_complete:
        return settings
    path = f"{CONTEXT_KEY}.adopt"
    try:
        aws = Aws(None, region)
        with aws_errors_explained(aws, path):
            asked = aws.sts.get_caller_identity()["Account"]
            if account_id not in (None, asked):
                raise SettingsError(
                    f"{path}: would be looked up in account {asked}, and deployed to {account_id}: name the profile by "
                    f"AWS_PROFILE instead of --profile, {_HOW}"
                )
            found = find(aws, _given(settings.adopt), settings.adopt.amplify_stack)
    except AdoptionError as error:
        raise SettingsError(f"{path}: {error}") from error
    except (PreconditionError, OperationError) as error:
        raise SettingsError(f"{path}: cannot be looked up: {error}; {_HOW}") from error
    adopt = settings.adopt.model_copy(
        update={
            "amplify_stack": None,
            "user_pool_id": found.user_pool_id,
            "user_pool_client_ids": [*found.user_pool_client_ids],
            "identity_pool_id": found.identity_pool_id,
            "auth_role_arn": found.auth_role_arn,
            "group_role_arns": [*found.group_role_arns],
        }
    )
    try:
        settings.check_clients(adopt)
    except ValueError as error:
        raise SettingsError(f"{CONTEXT_KEY}: {error}") from None
    return settings.model_copy(update={"adopt": adopt})


def _given(adopt: Adopt) -> Adopted:
    return Adopted(
        adopt.user_pool_id,
        tuple(adopt.user_pool_client_ids),
        adopt.identity_pool_id,
        adopt.auth_role_arn,
        tuple(adopt.group_role_arns),
    )
