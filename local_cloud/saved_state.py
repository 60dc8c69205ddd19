"""Saves a running cloud's state to a directory, from which another cloud can start.

A saved state holds everything that ministack keeps, function code and S3 objects included. It contains the port of the
cloud that saved it, in queue URLs for example; a cloud that starts from it replaces that by its own port. Faults,
counted calls and warm functions are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_cloud.paging import SortedKeys

_ABOUT = "saved-by.json"
_SERVICES, _OBJECTS = "services", "objects"
_UPDATED = {"State": "Active", "StateReason": "", "StateReasonCode": "", "LastUpdateStatus": "Successful"}
"""A function that was being updated when the state was saved: no thread of the new cloud completes the update."""


class SavedStateError(ValueError):
    """A state cannot be saved or restored; the message says why."""


def directories(scratch: Path) -> dict[str, str]:
    """Return the variables that tell ministack where to keep and find its state, below the server's own directory."""
    return {
        "PERSIST_STATE": "1",
        "STATE_DIR": str(scratch / _SERVICES),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(scratch / _OBJECTS),
    }


def restore(saved: Path, scratch: Path, port: int) -> None:
    """Copy a saved state to where ministack reads it when it starts.

    Args:
        saved: the directory that was saved to.
        scratch: the server's own directory.
        port: the port of the new cloud.

    Raises:
        SavedStateError: there is no such state, another version of ministack saved it, or one of its files changed.
    """
    try:
        about = json.loads((saved / _ABOUT).read_text())
        saved_by, digest, saved_port = about["ministack"], about["digest"], int(about["port"])
        now = _digest(saved)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SavedStateError(f"{saved}: no saved state: {error!r}") from error
    if saved_by != version("ministack"):
        raise SavedStateError(f"{saved}: saved by ministack {saved_by}; this is {version('ministack')}")
    if digest != now:
        raise SavedStateError(f"{saved}: its files are not the ones that were saved")
    for name in (_SERVICES, _OBJECTS):
        shutil.copytree(saved / name, scratch / name, dirs_exist_ok=True)
    address = re.compile(rf"(?<=:){saved_port}\b")
    for file in (scratch / _SERVICES).glob("*.json"):
        file.write_text(address.sub(str(port), file.read_text()))


def install() -> None:
    """Let ministack save its state when asked, not when it ends, and start only if it can load all of it."""
    from ministack import app

    app.save_all = lambda _services: None
    app._load_persisted_state = _load


def _load() -> None:
    """Load what was restored; ministack's own function goes on without what it cannot load."""
    from ministack import app
    from ministack.core import persistence

    def loaded(members: dict[str, Any]) -> Any:
        if members.get("LastUpdateStatus") == "InProgress":
            members |= _UPDATED
        return persistence._json_object_hook(members)

    for service, module in app._state_map.items():
        file = Path(persistence.STATE_DIR) / f"{service}.json"
        if file.exists():
            state = json.loads(file.read_text(), object_hook=loaded)
            app._get_module(module).load_persisted_state(state)
            file.unlink()  # otherwise saving this cloud would copy the old state over the new one


def save(document: object) -> dict[str, Any]:
    """Save the state to the directory that the document names, which must not exist; it is there whole or not at all.

    Raises:
        SavedStateError: the document names no directory, or a service's state cannot be saved.
    """
    from ministack import app
    from ministack.core import persistence

    named = document.get("directory") if isinstance(document, dict) else None
    if not isinstance(named, str):
        raise SavedStateError("directory: needed, as str")
    target = Path(named)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        (partial / _SERVICES).mkdir(parents=True)
        for service, get_state in app._build_persistence_save_dict().items():
            state = get_state()
            if state is not None:
                (partial / _SERVICES / f"{service}.json").write_text(json.dumps(state, default=_plain))
        # Function code, keys and objects, which ministack itself keeps in files.
        for name, files in ((_SERVICES, persistence.STATE_DIR), (_OBJECTS, os.environ["S3_DATA_DIR"])):
            (partial / name).mkdir(exist_ok=True)  # a cloud without objects has no directory for them
            if Path(files).is_dir():
                shutil.copytree(files, partial / name, dirs_exist_ok=True)
        port = int(os.environ["GATEWAY_PORT"])
        about = {"port": port, "ministack": version("ministack"), "digest": _digest(partial)}
        (partial / _ABOUT).write_text(json.dumps(about))
        partial.rename(target)
    except (OSError, TypeError, ValueError) as error:
        raise SavedStateError(f"{target}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {}


def _digest(directory: Path) -> str:
    """Return a digest of the files in a saved state."""
    digest = hashlib.sha256()
    for file in sorted(each for name in (_SERVICES, _OBJECTS) for each in (directory / name).rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(directory)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _plain(value: object) -> Any:
    """Return what JSON has for a value of ministack's or of the patches'."""
    from ministack.core import persistence

    return list(value) if isinstance(value, SortedKeys) else persistence._json_default(value)
