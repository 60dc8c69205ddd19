"""What AWS does and ministack does not: each behaviour is a module here, added to ministack before it serves.

A module has a docstring that names AWS's documentation; ``NEEDS``, the names it takes hold of in ministack by
their owner; and a function ``install()``.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection
from importlib.metadata import version
from types import ModuleType

BEHAVIOURS = (
    "https",
    "managed_policies",
    "role_boundary",
    "policy_variables",
    "denial_reason",
    "simulated_policies",
    "signed_upgrade",
    "iot_policies",
    "test_authorization",
    "attached_policies_limit",
    "identity_things",
    "policy_versions_limit",
    "mqtt31",
    "resubscribe",
    "guest_access",
    "delete_identities",
    "identity_pages",
    "target_pages",
    "update_group",
    "user_pool_attributes",
    "user_attributes",
    "pool_defaults",
    "system_tags",
    "group_roles",
    "role_trust",
    "token_check",
    "client_attributes",
    "case_insensitive_names",
    "custom_sign_in",
    "user_not_found",
    "choice_sign_in",
    "custom_auth_triggers",
    "challenge_sessions",
    "second_factor",
    "post_authentication",
    "pre_authentication",
    "function_logs",
    "invocations_under_way",
    "node_lambda_client",
    "prompt_answers",
    "http_api_refusals",
    "http_api_cors",
    "metric_math_alarms",
    "batch_permissions",
    "message_move_tasks",
    "parameter_permissions",
    "pass_role",
    "custom_sender_key",
    "role_policy_keys",
    "concurrency_permissions",
    "account_settings_permissions",
    "log_group_permissions",
    "rule_permissions",
    "policy_targets_permission",
    "failed_deletes",
    "stopped_executions",
    "state_machine_permissions",
)
"""The behaviours in the order they are installed."""


class BehaviourError(Exception):
    """A behaviour does not fit this ministack, or there is none of that name; the message says which."""


def install(without: Collection[str] = ()) -> None:
    """Install every behaviour but those named in ``without``.

    Raises:
        BehaviourError: this ministack lacks a name that a behaviour needs, or ``without`` names no behaviour.
    """
    if unknown := sorted(set(without) - set(BEHAVIOURS)):
        raise BehaviourError(f"no such behaviour: {', '.join(unknown)}; there are {', '.join(BEHAVIOURS)}")
    for name in BEHAVIOURS:
        if name not in without:
            _load(name).install()


def _load(name: str) -> ModuleType:
    """Import a behaviour and check that all it needs is there: the server starts whole or not at all."""
    try:
        behaviour = importlib.import_module(f"local_cloud.patches.{name}")
        for owner, needed in behaviour.NEEDS.items():
            for attribute in needed:
                getattr(owner, attribute)
    except (ImportError, AttributeError) as error:
        raise BehaviourError(
            f"the behaviour {name} does not fit ministack {version('ministack')}: {error}; "
            f"adapt local_cloud/patches/{name}.py, or go back to the ministack pinned in requirements.in"
        ) from error
    return behaviour
