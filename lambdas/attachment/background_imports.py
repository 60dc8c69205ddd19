"""Imports in a thread of their own: one that is broken off leaves half a library behind as long as the process lives.

The SDK takes long to import, and a sign-in does not wait for longer than it may. What is being imported goes on
meanwhile, and the next sign-in finds it done.
"""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class BackgroundImports:
    """Imports modules, one after the other, for a thread that may be interrupted while it waits."""

    def __init__(self) -> None:
        self._imported: dict[str, ModuleType | BaseException] = {}
        self._last_done = threading.Event()
        self._last_done.set()

    def module(self, name: str) -> ModuleType:
        """Return a module, which is imported if need be; an import that failed is tried again at the next call.

        Raises:
            Exception: what its import raised.
        """
        self._last_done.wait()
        if name not in self._imported:
            done = threading.Event()
            threading.Thread(target=self._import, args=(name, done), daemon=True).start()
            self._last_done = done
            done.wait()
        found = self._imported[name]
        if isinstance(found, BaseException):
            del self._imported[name]
            raise found
        return found

    def _import(self, name: str, done: threading.Event) -> None:
        try:
            self._imported[name] = importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - raised where it is asked for
            self._imported[name] = error
        finally:
            done.set()
