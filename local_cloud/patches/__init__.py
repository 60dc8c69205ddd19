"""Patches add to ministack what AWS does and ministack does not.

A patch is a module with a function ``install()`` and docstrings that link to AWS's documentation. It writes names in
ministack in full, such as ``iot._policies``: :func:`install` checks that they exist.
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
    "things",
    "test_authorization",
    "identities",
    "pool_updates",
    "group_roles",
    "identity_credentials",
    "user_attributes",
    "case_insensitive_names",
    "custom_sign_in",
    "choice_sign_in",
    "authentication_triggers",
    "functions",
    "http_api",
    "permissions",
    "message_move_tasks",
    "cloudformation",
    "state_machines",
)
"""The patches in the order in which they are installed."""


class PatchError(Exception):
    """A patch is unknown or does not fit this ministack; the message names it."""


def install(without: Collection[str] = ()) -> None:
    """Install every patch except those in ``without``.

    Raises:
        PatchError: this ministack lacks a name that a patch needs, or ``without`` contains an unknown patch.
    """
    if unknown := sorted(set(without) - set(PATCHES)):
        raise PatchError(f"no such patch: {', '.join(unknown)}; the patches are {', '.join(PATCHES)}")
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
