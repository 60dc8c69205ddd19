"""Makes ministack read each of botocore's service models once, without importing botocore.

Otherwise ministack reads a model up to four times when a service is first called, once through a new botocore session:
half a second of CPU time for the services of a deployment.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

from ministack.core import iam_actions, responses
from ministack.services import stepfunctions  # noqa: F401 - has found botocore's own models, whose shapes it needs


def install() -> None:
    """Read IAM actions and content types from the same file."""
    load = functools.lru_cache(maxsize=1)(iam_actions._load_botocore_model)

    @functools.cache
    def service_model(service: str) -> SimpleNamespace | None:
        document = load(responses._BOTOCORE_NAME.get(service, service))
        return SimpleNamespace(metadata=document["metadata"]) if document else None

    iam_actions._load_botocore_model = load
    responses._service_model = service_model
