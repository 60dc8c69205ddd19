"""The infrastructure: settings in, one CloudFormation stack out; and constructs for the stacks of other CDK apps.

Installed, the package is called ``amplify_pubsub``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .amplify_pubsub_stack import AmplifyPubSubStack
    from .constructs import PubSubAccess, PubSubAttachment, PubSubPolicy
    from .settings import CONTEXT_KEY, Settings, SettingsError, read_settings
else:
    _MODULES = {
        "CONTEXT_KEY": "settings",
        "AmplifyPubSubStack": "amplify_pubsub_stack",
        "PubSubAccess": "constructs",
        "PubSubAttachment": "constructs",
        "PubSubPolicy": "constructs",
        "Settings": "settings",
        "SettingsError": "settings",
        "read_settings": "settings",
    }

    def __getattr__(name: str) -> object:
        """Import a name when it is used, so that reading settings does not import the CDK."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found


__all__ = [
    "CONTEXT_KEY",
    "AmplifyPubSubStack",
    "PubSubAccess",
    "PubSubAttachment",
    "PubSubPolicy",
    "Settings",
    "SettingsError",
    "read_settings",
]
