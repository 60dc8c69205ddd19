"""Probes of each patch: a probe returns whether a cloud behaves as AWS does, with the patch and without it."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.local_cloud.account import Account
from tests.integration.local_cloud.probes import iot, permissions, services, users

PROBES: dict[str, tuple[Callable[[Account], bool], ...]] = {
    "iam_policies": (
        permissions.https,
        permissions.managed_policies,
        permissions.policy_variables,
        permissions.denial_reason,
    ),
    "simulated_policies": (permissions.simulated_policies,),
    "mqtt": (iot.signed_upgrade, iot.mqtt31, iot.resubscribe),
    "iot_policies": (
        iot.iot_policies,
        iot.attached_policies_limit,
        iot.policy_versions_limit,
        iot.target_pages,
    ),
    "things": (iot.things,),
    "test_authorization": (iot.simulated_authorization,),
    "identities": (users.delete_identities, users.identity_pages),
    "pool_updates": (users.update_group, users.pool_defaults, users.system_tags),
    "group_roles": (users.group_roles,),
    "identity_credentials": (users.guest_access, users.role_trust, users.token_check),
    "user_attributes": (users.user_attributes, users.client_attributes),
    "case_insensitive_names": (users.case_insensitive_names,),
    "custom_sign_in": (users.custom_sign_in, users.custom_auth_triggers, users.user_not_found),
    "choice_sign_in": (users.choice_sign_in,),
    "authentication_triggers": (users.post_authentication, users.pre_authentication),
    "functions": (
        services.function_logs,
        services.invocations_under_way,
        services.prompt_answers,
        services.node_lambda_client,
    ),
    "http_api": (services.http_api_denials, services.http_api_cors),
    "permissions": (
        permissions.batch_permissions,
        permissions.parameter_permissions,
        permissions.role_policy_keys,
        permissions.concurrency_permissions,
        permissions.account_settings_permissions,
        permissions.log_group_permissions,
        permissions.rule_permissions,
        permissions.policy_targets_permission,
        permissions.pass_role,
        permissions.custom_sender_key,
    ),
    "message_move_tasks": (services.message_move_tasks,),
    "cloudformation": (
        services.role_boundary,
        services.function_updates,
        services.user_pool_attributes,
        services.metric_math_alarms,
        services.failed_deletes,
    ),
    "state_machines": (services.stopped_executions, services.state_machine_permissions),
}
