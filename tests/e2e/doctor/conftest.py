from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import deployed
from tests.e2e.doctor.patient import Patient, Stage
from tests.e2e.doctor.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Deployment


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment of these tests' own, for some of what they do to it stays."""
    with deployed(tmp_path_factory.mktemp("doctor")) as made:
        yield made


@pytest.fixture(scope="module")
def restorer(deployment: Deployment) -> Restorer:
    return Restorer(Patient.of(deployment))


@pytest.fixture
def patient(deployment: Deployment, restorer: Restorer) -> Iterator[Patient]:
    """A user for whom everything works; what is changed meanwhile is put back."""
    made = Patient.of(deployment)
    assert made.chat(made.tokens) is Stage.ALL
    with made.cleanup:
        yield made
    restorer.restore()
