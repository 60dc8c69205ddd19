"""How the doctor is asked in a test: options, standard input, environment."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.patient import TOPIC, Patient


@dataclass(frozen=True)
class Asked:
    """A command line of ``pubsub doctor``, without what every one has."""

    options: tuple[str, ...]
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def and_(self, *options: str) -> Asked:
        """Return the same with more options."""
        return Asked((*self.options, *options), self.stdin, self.environment)


def by_stack(patient: Patient) -> tuple[str, ...]:
    return ("--stack", patient.deployment.app.stack_name)


def about_user(patient: Patient) -> Asked:
    """Ask about the user, whose password is known."""
    options = (*by_stack(patient), "--user", patient.user, "--password-stdin", "--topic", TOPIC)
    return Asked(options, stdin=f"{PASSWORD}\n")


def about_name(patient: Patient) -> Asked:
    """Ask about the user, whose password is not known."""
    return Asked((*by_stack(patient), "--user", patient.user, "--topic", TOPIC))


def about_identity(patient: Patient, identity_id: str | None = None) -> Asked:
    """Ask about an identity of which nothing else is known."""
    return Asked((*by_stack(patient), "--identity-id", identity_id or patient.identity_id, "--topic", TOPIC))


def about_token(patient: Patient, topic: str = TOPIC) -> Asked:
    """Ask about the user with an ID token."""
    return Asked((*by_stack(patient), *_token(patient), "--topic", topic))


def about_nobody(patient: Patient) -> Asked:
    return Asked((*by_stack(patient), "--topic", TOPIC))


def by_ids(patient: Patient, **others: str) -> Asked:
    """Give the deployment's ids by hand, some of them others."""
    outputs = patient.deployment.outputs
    ids = {
        "region": outputs[Output.REGION],
        "user_pool_id": patient.user_pool_id,
        "user_pool_client_id": patient.deployment.client_id,
        "identity_pool_id": patient.identity_pool_id,
        "endpoint": outputs[Output.PUBSUB_ENDPOINT],
        "policy_name": patient.policy,
        **others,
    }
    options = [word for name, value in ids.items() for word in (f"--{name.replace('_', '-')}", value)]
    return Asked((*options, *_token(patient), "--topic", TOPIC))


def _token(patient: Patient) -> tuple[str, str]:
    file = patient.directory / f"{uuid.uuid4().hex}.jwt"
    file.write_text(patient.tokens["IdToken"])
    return ("--id-token", str(file))
