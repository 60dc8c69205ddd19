"""What a run of checks knows: its options, and what the checks have found so far."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws
from pubsub_cli.checks.deployed_functions import DeployedFunction, Part, read_functions
from pubsub_cli.checks.options import App, DeploymentIds, Requirement, Whom
from pubsub_cli.checks.pool_user import PoolUser
from pubsub_cli.checks.probe_users import ProbeUsers, User
from pubsub_cli.checks.uninterrupted import uninterrupted
from pubsub_cli.iam.request import ANY_CLIENT_ID
from pubsub_client import AwsIot, CognitoSession, PubSub, Subscription
from pubsub_client._self_attach import SelfAttachment, SelfAttachRoute
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import LEAST_PRIVILEGE, Output, attaches_at_sign_in

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef

_NO_WILDCARDS = str.maketrans("*?+#", "xxxx")


@dataclass(frozen=True)
class RoleInUse:
    """A role that signed-in users get.

    Args:
        arn: its ARN.
        who: what it is, as a sentence about it begins.
    """

    arn: str
    who: str


@dataclass
class Context:
    """The state of one run. A check reads only what the checks it rests on have left here."""

    aws: Aws
    """The operator's way to AWS."""
    stack: str
    """The name of the stack under test."""
    patience: float
    """Seconds to wait for what may take its time to act: the attachment, the connection."""
    cleanup: AsyncExitStack
    """What is closed and removed when the run ends, however it ends."""
    as_operator: bool = True
    """Whether the run has AWS credentials; without, it sees what a front end sees."""
    may_try: bool = True
    """Whether the run may make users, and try what must be refused."""
    whom: Whom = field(default_factory=Whom)
    """Whom it asks about."""
    app: App = field(default_factory=App)
    """The front end it asks about."""
    given: DeploymentIds | None = None
    """The deployment, where it is no stack of ours."""
    again: str = "pubsub smoke --timeout 600"
    """The command that runs this again."""

    outputs: dict[str, str] = field(init=False)
    """The stack's outputs, by name; of a deployment given by ids those that are known."""
    users: ProbeUsers = field(init=False)
    """The users this run has made."""
    user: User = field(init=False)
    """The user who signed in first with a password."""
    pool_user: PoolUser | None = field(default=None, init=False)
    """The user whom the options name, as the user pool tells it."""
    session: CognitoSession = field(init=False)
    """That user's session."""
    sign_in_started: float | None = field(default=None, init=False)
    """When that user's sign-in began, on the monotonic clock; None where nobody has signed in with a password."""
    tokens_arrived: float = field(init=False)
    """When that user's tokens arrived, on the monotonic clock."""
    first_sign_in: float = field(init=False)
    """Seconds the first sign-in took."""
    parameters: Mapping[str, str] = field(init=False)
    """The values of the Systems Manager parameters that the functions read, by name."""
    identity_id: str = field(init=False)
    """That user's identity id."""
    unattached: CognitoSession = field(init=False)
    """The session of a user whose identity has no policy."""
    group_roles: dict[str, str] = field(init=False)
    """The ARN of the role of each Cognito group that has one, by the group's name."""
    roles: tuple[RoleInUse, ...] = field(init=False)
    """The roles that signed-in users get: that of the user asked about, or every role that somebody may get."""
    pubsub: PubSub = field(init=False)
    """That user's connection."""
    connected_as: str | None = field(default=None, init=False)
    """The front end's client id, where that connection had to take it; None where it took a random one."""
    nonce: str = field(default_factory=lambda: str(uuid.uuid4()), init=False)
    """Makes this run's topic one that nobody else uses."""
    messages: Subscription = field(init=False)
    """That user's subscription to it."""
    sign_in_to_message: float | None = field(default=None, init=False)
    """Seconds from the begin of that user's sign-in to the first message received."""
    left_behind: list[str] = field(default_factory=list, init=False)
    """What the run made and could not remove, one line each."""

    @property
    def has(self) -> frozenset[Requirement]:
        """What of that which checks need this run has."""
        whom, app, may_make = self.whom, self.app, self.may_try and self.whom.nobody
        with_password = may_make or whom.password is not None
        had = {
            Requirement.OPERATOR: self.as_operator,
            Requirement.STACK: self.given is None,
            Requirement.IDENTITY: may_make or not whom.nobody,
            Requirement.USER: whom.user_name is not None,
            Requirement.TOKEN: with_password or whom.id_token is not None,
            Requirement.PASSWORD: with_password,
            Requirement.PROBE: may_make,
            Requirement.TRIES: self.may_try,
            Requirement.GIVEN_TOKEN: whom.id_token is not None,
            Requirement.CLIENT_ID: app.client_id is not None,
            Requirement.PACKAGE_JSON: app.package_json is not None,
            Requirement.FIGURES: (app.keep_alive_seconds, app.payload_bytes, app.subscriptions) != (None, None, None),
        }
        return frozenset(need for need, has in had.items() if has)

    @property
    def known_identity_id(self) -> str | None:
        """The identity id of the user asked about, if a check has found it by now."""
        return getattr(self, "identity_id", None)

    @cached_property
    def resources(self) -> list[StackResourceSummaryTypeDef]:
        """What the stack has made, read once in a run.

        Raises:
            botocore.exceptions.ClientError: it may not be listed.
        """
        pages = self.aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack)
        return [each for page in pages for each in page["StackResourceSummaries"]]

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """The stack's template, read once in a run.

        Raises:
            botocore.exceptions.ClientError: it may not be read.
        """
        body = self.aws.cloudformation.get_template(StackName=self.stack)["TemplateBody"]
        template: Mapping[str, Any] = json.loads(body) if isinstance(body, str) else body
        return template

    @cached_property
    def functions(self) -> list[DeployedFunction]:
        """The functions of the attachment chain, read once in a run.

        Raises:
            botocore.exceptions.ClientError: they may not be read.
        """
        functions = (each for each in self.resources if each["ResourceType"] == "AWS::Lambda::Function")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in functions}
        return read_functions(self.aws, self.template, names)

    def functions_of(self, parts: Collection[Part]) -> list[DeployedFunction]:
        """Return the deployment's functions of these parts.

        Raises:
            botocore.exceptions.ClientError: they may not be read.
        """
        return [each for each in self.functions if each.part in parts]

    def deadline(self, retry_seconds: float) -> float:
        """Return until when a check that may retry for so long does, on the monotonic clock."""
        return time.monotonic() + min(self.patience, retry_seconds)

    def begin(self, outputs: dict[str, str]) -> None:
        """Take the outputs; from here on users may be made, and are removed when the run ends."""
        self.outputs = outputs
        self.users = ProbeUsers(self.aws, outputs)
        self.cleanup.push_async_callback(self._remove_users)

    def sign_out_at_the_end(self, session: CognitoSession) -> None:
        """Revoke the session's tokens when the run ends; one that has ended by then needs nothing."""

        async def sign_out() -> None:
            with suppress(SessionError):
                await session.sign_out()

        self.cleanup.push_async_callback(sign_out)

    async def _remove_users(self) -> None:
        self.left_behind += await uninterrupted(asyncio.to_thread(self.users.remove))

    @property
    def own_topics(self) -> bool:
        """Whether users have topics and client ids of their own, by their identity id."""
        return self.outputs.get(Output.ACCESS_MODE) == LEAST_PRIVILEGE

    @property
    def topics(self) -> list[str]:
        """The patterns of topics that the IoT policy opens to everybody, as far as a stack's outputs say; else any."""
        told = self.outputs.get(Output.TOPICS, "" if self.own_topics else "*")
        return told.split(",") if told else []

    @property
    def topic(self) -> str:
        """The topic of this run's messages: the first that was asked about and takes any message, or one of its own.

        AWS IoT's own topics, which begin with $, do something: no message of a check may go there.
        """
        topics = (each for each in self.app.topics if not each.startswith("$") and "+" not in each and "#" not in each)
        return next(topics, None) or self._topic_of_our_own()

    @property
    def client_id(self) -> str:
        """The client id that permissions are asked about: the front end's, or one that a client makes up."""
        made_up = f"{self.asked_identity_id}-{ANY_CLIENT_ID}" if self.own_topics else ANY_CLIENT_ID
        return self.app.client_id or made_up

    @property
    def asked_identity_id(self) -> str | None:
        """The identity id that permissions are asked about: the user's, as far as known.

        Where users have topics of their own it stands in them, and is one that nobody has until the user's is known.
        """
        nobodys = f"{self.output(Output.REGION)}:{uuid.UUID(int=0)}" if self.own_topics else None
        return self.known_identity_id or nobodys

    @property
    def chained_triggers(self) -> frozenset[str]:
        """The triggers of an adopted user pool whose own function calls the stack's."""
        return frozenset(filter(None, self.outputs.get(Output.CHAINED_TRIGGERS, "").split(",")))

    @property
    def topic_known(self) -> bool:
        """Whether it is known what topics users may use: the stack's, or those asked about."""
        return self.given is None or bool(self.app.topics)

    @property
    def may_send(self) -> bool:
        """Whether there is a topic to which a message of this run may go."""
        return self.given is None or self.topic in self.app.topics

    @property
    def asked_topics(self) -> tuple[str, ...]:
        """The topics and topic filters the run is asked about; the one of its own messages without any."""
        return self.app.topics or (self.topic,)

    def _topic_of_our_own(self) -> str:
        """Return a topic of the user's own, or one within the first pattern that ends in a wildcard, as one must."""
        if self.own_topics:
            return f"{self.asked_identity_id}/pubsub-check-{self.nonce}"
        pattern = next(each for each in self.topics if each.endswith("*"))
        return pattern[:-1].translate(_NO_WILDCARDS) + f"pubsub-check-{self.nonce}"

    @property
    def attaches_at_sign_in(self) -> bool:
        """Whether the policy is attached by the trigger, and not by self-attach alone."""
        return attaches_at_sign_in(self.outputs)

    async def self_attach(self, session: CognitoSession) -> SelfAttachment:
        """Have the policy attached to the identity of a session's user.

        Raises:
            SessionError: the route does not.
        """
        route = SelfAttachRoute(self.output(Output.SELF_ATTACH_URL), self.output(Output.REGION))
        return await route.attach(await session.credentials())

    def output(self, name: Output) -> str:
        """Return one of the stack's outputs."""
        return self.outputs[name]

    def provider(self, session: CognitoSession) -> AwsIot:
        """Return the way to the deployment's endpoint as a session's user."""
        return AwsIot(
            endpoint=self.output(Output.PUBSUB_ENDPOINT),
            region=self.output(Output.REGION),
            credentials=session,
            client_id_from_identity=self.own_topics,
        )

    def new_session(self) -> CognitoSession:
        """Return a session of the deployment's pools in which nobody has signed in yet.

        It does not self-attach by itself: a connection that is refused is what the checks want to see.
        """
        return CognitoSession(
            region=self.output(Output.REGION),
            user_pool_id=self.output(Output.USER_POOL_ID),
            user_pool_client_id=self.output(Output.USER_POOL_CLIENT_ID),
            identity_pool_id=self.output(Output.IDENTITY_POOL_ID),
            endpoint_url=self.aws.endpoint_url,
        )
