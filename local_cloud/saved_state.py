"""Saves a running cloud's state to a directory, from which another cloud can start.

A saved state contains all resources, function code and S3 objects, but no faults, call counts or warm functions. The
port of the saved cloud, for example in queue URLs, is replaced by the port of the new one.
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
"""Completes a function's update that was in progress when the state was saved."""


class SavedStateError(ValueError):
    """A state cannot be saved or restored; the message gives the reason."""


def directories(scratch: Path) -> dict[str, str]:
    """Return ministack's variables for the directories of its state, below the server's own directory."""
    return {
        "PERSIST_STATE": "1",
        "STATE_DIR": str(scratch / _SERVICES),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(scratch / _OBJECTS),
    }


def restore(saved: Path, scratch: Path, port: int) -> None:
    """Copy a saved state to the directories that ministack reads when it starts.

    Args:
        saved: the directory of the saved state.
        scratch: the server's own directory.
        port: the port of the new cloud.

    Raises:
        SavedStateError: the directory is no saved state, is of another ministack version, or has changed.
    """
    try:
        about = json.loads((saved / _ABOUT).read_text())
        saved_by, digest, saved_port = about["ministack"], about["digest"], int(about["port"])
        now = _digest(saved)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SavedStateError(f"{saved}: not a saved state: {error!r}") from error
    if saved_by != version("ministack"):
        raise SavedStateError(f"{saved}: saved by ministack {saved_by}, not {version('ministack')}")
    if digest != now:
        raise SavedStateError(f"{saved}: its files have changed since it was saved")
    for name in (_SERVICES, _OBJECTS):
        shutil.copytree(saved / name, scratch / name, dirs_exist_ok=True)
    address = re.compile(rf"(?<=:){saved_port}\b")
    for file in (scratch / _SERVICES).glob("*.json"):
        file.write_text(address.sub(str(port), file.read_text()))


def install() -> None:
    """Prevent ministack from saving its state when it ends, and from starting with an incomplete state."""
    from ministack import app

    app.save_all = lambda _services: None
    app._load_persisted_state = _load


def _load() -> None:
    """Load the restored state; ministack's own function ignores errors."""
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
            file.unlink()  # otherwise the next save would copy the old state


def save(document: object) -> dict[str, Any]:
    """Save the state to the document's directory, which must not exist, completely or not at all.

    Raises:
        SavedStateError: the directory is missing or exists, or a service's state cannot be saved.
    """
    from ministack import app
    from ministack.core import persistence

    named = document.get("directory") if isinstance(document, dict) else None
    if not isinstance(named, str):
        raise SavedStateError(f"directory: {named!r} given; allowed: a path")
    target = Path(named)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        (partial / _SERVICES).mkdir(parents=True)
        for service, get_state in app._build_persistence_save_dict().items():
            state = get_state()
            if state is not None:
                (partial / _SERVICES / f"{service}.json").write_text(json.dumps(state, default=_plain))
        # Function code, keys and objects, which ministack stores in files.
        for name, files in ((_SERVICES, persistence.STATE_DIR), (_OBJECTS, os.environ["S3_DATA_DIR"])):
            (partial / name).mkdir(exist_ok=True)  # ministack creates it with the first object
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
    """Return a value of ministack or the patches in a form that JSON supports."""
    from ministack.core import persistence

    return list(value) if isinstance(value, SortedKeys) else persistence._json_default(value)
