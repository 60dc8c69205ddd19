from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Deployment, deployed
from tests.e2e.doctor.patient import Patient, Stage
from tests.e2e.doctor.restoring import Restorer


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment of these tests' own, for some of what they do to it stays."""
    with deployed(tmp_path_factory.mktemp("doctor")) as made:
        yield made


@pytest.fixture(scope="module")
def restorer(deployment: Deployment) -> Restorer:
    return Restorer(Patient.of(deployment))


@pytest.fixture(scope="module")
def patients() -> dict[str, tuple[Patient, Any]]:
    """The user of the last test and the state when it began."""
    return {}


@pytest.fixture
def patient(deployment: Deployment, restorer: Restorer, patients: dict[str, tuple[Patient, Any]]) -> Iterator[Patient]:
    """A user for whom everything works: the one of the test before if nothing about them has changed.

    What is changed meanwhile is put back.
    """
    made, state = patients.get("last", (None, None))
    if made is None or made.state != state or made.chat(made.tokens) is not Stage.ALL:
        made = Patient.of(deployment)
        assert made.chat(made.tokens) is Stage.ALL
        patients["last"] = (made, made.state)
    with made.cleanup:
        yield made
    restorer.restore()
