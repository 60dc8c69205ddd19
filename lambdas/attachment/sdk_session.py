"""Sessions of the AWS SDK for work that may be abandoned. Importing this module imports the AWS SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import botocore.session

from attachment.deadline import AbandonedError

if TYPE_CHECKING:
    import threading

# The SDK's descriptions of the services. Shared, because reading them is what takes time; it has no locks.
_loader = botocore.session.get_session().get_component("data_loader")


def guarded_session(abandoned: threading.Event) -> boto3.Session:
    """Return a session of its own, whose clients send no request and return no answer once the work is abandoned."""

    def refuse(**_: object) -> None:
        if abandoned.is_set():
            raise AbandonedError

    core = botocore.session.get_session()
    core.register_component("data_loader", _loader)
    session = boto3.Session(botocore_session=core)
    session.events.register("before-send", refuse)
    session.events.register("after-call", refuse)
    return session
