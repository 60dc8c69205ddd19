"""Patches that add to ministack what AWS does and ministack does not, before it serves.

A patch is a module with a docstring that links to AWS's documentation, and a function ``install()``. What it uses or
replaces in ministack it names in full, such as ``iot._policies``, because these names are checked first.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from types import ModuleType

_DOTTED_NAME = re.compile(r"(?<![\w.])(\w+)\.([\w.]*\w)")

PATCHES = (
    "iam_policies",
    "simulated_policies",
    "mqtt",
    "iot_policies",
    "test_authorization",
    "iot_limits",
    "identity_things",
    "target_pages",
    "identities",
    "pool_updates",
    "user_attributes",
    "group_roles",
    "identity_credentials",
    "client_attributes",
    "case_insensitive_names",
    "custom_sign_in",
    "user_not_found",
    "choice_sign_in",
    "challenge_sessions",
    "mfa",
    "authentication_triggers",
    "functions",
    "http_api",
    "permissions",
    "further_permissions",
    "message_move_tasks",
    "cloudformation",
    "state_machines",
)
"""The patches in the order in which they are installed."""


class PatchError(Exception):
    """A patch does not fit this ministack, or there is none of that name; the message says which."""


def install(without: Collection[str] = ()) -> None:
    """Install every patch except those named in ``without``.

    Raises:
        PatchError: this ministack lacks a name that a patch needs, or ``without`` names no patch.
    """
    if unknown := sorted(set(without) - set(PATCHES)):
        raise PatchError(f"no such patch: {', '.join(unknown)}; there are {', '.join(PATCHES)}")
    for name in PATCHES:
        if name not in without:
            _install(name)


def _install(name: str) -> None:
    try:
        patch = importlib.import_module(f"local_cloud.patches.{name}")
        for owner, needed in set(_DOTTED_NAME.findall(Path(str(patch.__file__)).read_text())):
            module = vars(patch).get(owner)
            if isinstance(module, ModuleType) and module.__name__.startswith("ministack."):
                attrgetter(needed)(module)
        patch.install()
    except (ImportError, AttributeError) as error:
        raise PatchError(
            f"the patch {name} does not fit ministack {version('ministack')}: {error}; "
            f"adapt local_cloud/patches/{name}.py, or return to the ministack pinned in requirements.in"
        ) from error
