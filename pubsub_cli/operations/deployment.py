"""A deployed stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pubsub_cli.aws import Aws
from pubsub_cli.iam.iot import attached_to
from pubsub_cli.stack import read_complete_outputs
from pubsub_client.outputs import Output, attaches_at_sign_in


@dataclass(frozen=True)
class Deployment:
    """The operator's clients, and the stack's outputs."""

    aws: Aws
    stack: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, aws: Aws, stack: str) -> Self:
        """Read the stack's outputs.

        Raises:
            PreconditionError: there is no such stack, it lacks an output, or AWS cannot be reached.
        """
        return cls(aws, stack, read_complete_outputs(aws, stack))

    def output(self, name: Output) -> str:
        """Return one of the stack's outputs."""
        return self.outputs[name]

    @property
    def attaches_at_sign_in(self) -> bool:
        """Whether the trigger attaches the policy at sign-in."""
        return attaches_at_sign_in(self.outputs)

    @property
    def policy_name(self) -> str:
        """The name of the IoT policy."""
        return self.output(Output.POLICY_NAME)

    def attached_policies(self, identity_id: str) -> list[str]:
        """Return the names of the IoT policies attached to an identity."""
        return attached_to(self.aws.iot, identity_id)

    def is_attached(self, identity_id: str) -> bool:
        """Return whether the stack's policy is attached to an identity."""
        return self.policy_name in self.attached_policies(identity_id)
