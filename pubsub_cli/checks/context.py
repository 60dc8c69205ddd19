"""The context of a run of checks: its options, and what the checks have found so far."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pubsub_cli.aws import Aws
from pubsub_cli.checks.network_path import NetworkPath
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, Requirement, UserSelector
from pubsub_cli.iam.request import ANY_CLIENT_ID
from pubsub_cli.pool_users import PoolUser, TestUsers, User
from pubsub_cli.stack import DeployedFunction, Function, StackResource, read_functions
from pubsub_client import AwsIot, CognitoSession, PubSub, Subscription
from pubsub_client._self_attach import SelfAttachment, SelfAttachRoute
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import LEAST_PRIVILEGE, Output, attaches_at_sign_in

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackResourceSummaryTypeDef

_Result = TypeVar("_Result")
_NO_WILDCARDS = str.maketrans("*?+#", "xxxx")


@dataclass(frozen=True)
class RoleInUse:
    """A role that signed-in users get."""

    arn: str
    who: str
    """Names the role at the start of a sentence, such as ``The role of group editors``."""

    @property
    def within_sentence(self) -> str:
        """Names the role inside a sentence, such as ``the role of group editors``."""
        return self.who[0].lower() + self.who[1:]


@dataclass
class Context:
    """The context of one run. A check reads only the fields that the checks it depends on have set.

    Args:
        aws: the operator's clients.
        stack: the name of the stack.
        timeout: seconds to wait for changes that take time to act, such as an attachment.
        cleanup: closes connections and removes test users when the run ends.
        as_operator: whether the run has AWS credentials. Without them, it sees only what a front end sees.
        allow_probes: whether the run may create users and try requests that must be rejected.
        selector: the user or identity to check.
        front_end: the settings of the front end to check.
        deployment_ids: the deployment, if it is not a stack of this toolkit.
        rerun_command: the command that repeats this run.

    Raises:
        botocore.exceptions.ClientError: the stack cannot be read (``resources``, ``template``, ``functions`` and the
            methods that use them).
    """

    aws: Aws
    stack: str
    timeout: float
    cleanup: AsyncExitStack
    as_operator: bool = True
    allow_probes: bool = True
    selector: UserSelector = field(default_factory=UserSelector)
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    deployment_ids: DeploymentIds | None = None
    rerun_command: str = "pubsub smoke --timeout 600"

    # The checks set these fields.
    outputs: dict[str, str] = field(init=False)
    """The stack's outputs by name, or the known ones of a deployment that was given by ids."""
    network_path: NetworkPath = field(init=False)
    """The network path to the endpoint."""
    users: TestUsers = field(init=False)
    """The users that this run has created."""
    user: User = field(init=False)
    """The user who signs in with a password: a test user, or the selected one."""
    pool_user: PoolUser | None = field(default=None, init=False)
    """The selected user, as the user pool describes it."""
    session: CognitoSession = field(init=False)
    """The session of the user."""
    sign_in_started: float | None = field(default=None, init=False)
    """When the user's sign-in started, on the monotonic clock; None without a sign-in with a password."""
    tokens_arrived: float = field(init=False)
    """When the user's tokens arrived, on the monotonic clock."""
    first_sign_in: float = field(init=False)
    """The duration of the first sign-in in seconds."""
    parameters: Mapping[str, str] = field(init=False)
    """The Systems Manager parameters that the functions read, by name."""
    identity_id: str = field(init=False)
    """The identity id of the user, or the selected one."""
    unattached_session: CognitoSession = field(init=False)
    """The session of a test user whose identity has no IoT policy."""
    group_roles: dict[str, str] = field(init=False)
    """The role ARN of each Cognito group that has one, by the group's name."""
    roles: tuple[RoleInUse, ...] = field(init=False)
    """The role of the selected user; without a user, every role that a user can get."""
    unknown_permissions: bool = field(default=False, init=False)
    """Whether it is unknown if the role and the IoT policies allow the front end's requests."""
    pubsub: PubSub = field(init=False)
    """The connection of the user."""
    connected_as: str | None = field(default=None, init=False)
    """The client id of that connection if it is the front end's; None if it is random."""
    nonce: str = field(default_factory=lambda: str(uuid.uuid4()), init=False)
    """Makes the run's topic unique."""
    messages: Subscription = field(init=False)
    """The subscription to the run's topic."""
    sign_in_to_message: float | None = field(default=None, init=False)
    """Seconds from the start of the user's sign-in to the first message received."""
    not_removed: list[str] = field(default_factory=list, init=False)
    """The test users and identities that the run could not remove, one line each."""

    @property
    def available(self) -> frozenset[Requirement]:
        """The requirements of checks that this run meets."""
        selector, front_end = self.selector, self.front_end
        test_users = self.allow_probes and selector.is_empty
        with_password = test_users or selector.password is not None
        limits = (front_end.keep_alive_seconds, front_end.payload_bytes, front_end.subscriptions)
        met = {
            Requirement.OPERATOR: self.as_operator,
            Requirement.STACK: self.deployment_ids is None,
            Requirement.IDENTITY: test_users or not selector.is_empty,
            Requirement.USER: selector.user_name is not None,
            Requirement.TOKEN: with_password or selector.id_token is not None,
            Requirement.PASSWORD: with_password,
            Requirement.TEST_USERS: test_users,
            Requirement.PROBES: self.allow_probes,
            Requirement.GIVEN_TOKEN: selector.id_token is not None,
            Requirement.CLIENT_ID: front_end.client_id is not None,
            Requirement.PACKAGE_JSON: front_end.package_json is not None,
            Requirement.LIMITS: limits != (None, None, None),
        }
        return frozenset(requirement for requirement, is_met in met.items() if is_met)

    def set_outputs(self, outputs: dict[str, str]) -> None:
        """Set the outputs, and prepare for test users, which are removed when the run ends."""
        self.outputs = outputs
        self.users = TestUsers(self.aws, outputs)
        self.cleanup.push_async_callback(self._remove_users)

    def output(self, name: Output) -> str:
        """Return one of the stack's outputs."""
        return self.outputs[name]

    @property
    def attaches_at_sign_in(self) -> bool:
        """Whether the trigger attaches the policy; otherwise only self-attach does."""
        return attaches_at_sign_in(self.outputs)

    @property
    def chained_triggers(self) -> frozenset[str]:
        """The triggers of an adopted user pool that are set to another function, which calls the stack's."""
        return frozenset(filter(None, self.outputs.get(Output.CHAINED_TRIGGERS, "").split(",")))

    @property
    def own_topics(self) -> bool:
        """Whether each user's topics and client ids must begin with the identity id."""
        return self.outputs.get(Output.ACCESS_MODE) == LEAST_PRIVILEGE

    def arn_prefix(self, service: str) -> str:
        """Return ``arn:<partition>:<service>:<region>:<account id>`` of the deployment."""
        arn = self.outputs.get(Output.AUTH_ROLE_ARN) or self.aws.sts.get_caller_identity()["Arn"]
        _, partition, _, _, account, _ = arn.split(":", 5)
        return f"arn:{partition}:{service}:{self.output(Output.REGION)}:{account}"

    @cached_property
    def resources(self) -> list[StackResourceSummaryTypeDef]:
        """The stack's resources."""
        pages = self.aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack)
        return [each for page in pages for each in page["StackResourceSummaries"]]

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """The stack's template."""
        body = self.aws.cloudformation.get_template(StackName=self.stack)["TemplateBody"]
        template: Mapping[str, Any] = json.loads(body) if isinstance(body, str) else body
        return template

    def template_properties(self, physical_id: str) -> Mapping[str, Any]:
        """Return a resource's properties in the template; empty if the stack does not have the resource."""
        ids = (each["LogicalResourceId"] for each in self.resources if each.get("PhysicalResourceId") == physical_id)
        properties: Mapping[str, Any] = self.template["Resources"].get(next(ids, ""), {}).get("Properties", {})
        return properties

    def find_resource(self, resource: StackResource) -> str | None:
        """Return the physical id of a resource; None if the stack does not have it."""
        found = (
            each["PhysicalResourceId"]
            for each in self.resources
            if each["ResourceType"] == resource.type and resource.construct_id in each["LogicalResourceId"]
        )
        return next(found, None)

    @cached_property
    def functions(self) -> list[DeployedFunction]:
        """The stack's functions that attach or detach policies."""
        functions = (each for each in self.resources if each["ResourceType"] == "AWS::Lambda::Function")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in functions}
        return read_functions(self.aws, self.template, names)

    def functions_of(self, functions: Collection[Function]) -> list[DeployedFunction]:
        """Return those of the functions that the stack has."""
        return [each for each in self.functions if each.function in functions]

    @property
    def known_identity_id(self) -> str | None:
        """The identity id; None if no check has set it yet."""
        return getattr(self, "identity_id", None)

    @property
    def policy_identity_id(self) -> str | None:
        """The identity id to evaluate permissions for.

        If it is not known, it is None, or a placeholder if each user's topics begin with the identity id.
        """
        placeholder = f"{self.output(Output.REGION)}:{uuid.UUID(int=0)}" if self.own_topics else None
        return self.known_identity_id or placeholder

    @property
    def client_id(self) -> str:
        """The client id to evaluate permissions for: the front end's, or a placeholder for a random one."""
        generated = f"{self.policy_identity_id}-{ANY_CLIENT_ID}" if self.own_topics else ANY_CLIENT_ID
        return self.front_end.client_id or generated

    @property
    def topics(self) -> list[str]:
        """The topic patterns that the IoT policy opens to all users; ``*`` if the outputs do not list them."""
        patterns = self.outputs.get(Output.TOPICS, "" if self.own_topics else "*")
        return patterns.split(",") if patterns else []

    @property
    def topics_known(self) -> bool:
        """Whether the stack or the options name topics."""
        return self.deployment_ids is None or bool(self.front_end.topics)

    @property
    def requested_topics(self) -> tuple[str, ...]:
        """The front end's topics and topic filters; without any, the topic of the run's messages."""
        return self.front_end.topics or (self.topic,)

    @property
    def topic(self) -> str:
        """The topic of the run's messages: the first suitable topic of the front end, or a unique one.

        Topics that begin with ``$`` are not suitable: they belong to AWS IoT, which may act on a message.
        """
        for topic in self.front_end.topics:
            if not topic.startswith("$") and "+" not in topic and "#" not in topic:
                return topic
        if self.own_topics:
            return f"{self.policy_identity_id}/{self._unique_level}"
        pattern = next(each for each in self.topics if each.endswith("*"))  # the settings require such a pattern
        return pattern[:-1].translate(_NO_WILDCARDS) + self._unique_level

    @property
    def _unique_level(self) -> str:
        return f"pubsub-check-{self.nonce}"

    def advice(self, text: str) -> str:
        """Return advice with ``TOPIC`` instead of the run's unique topic, which no front end uses."""
        return text.replace(self._unique_level, "TOPIC")

    @property
    def can_publish(self) -> bool:
        """Whether the run has a topic to which it may publish."""
        return self.deployment_ids is None or self.topic in self.front_end.topics

    def deadline(self) -> float:
        """Return the time, on the monotonic clock, at which a check stops retrying."""
        return time.monotonic() + self.timeout

    async def create_user(self, *, marked: bool = False, group: str | None = None) -> User:
        """Create a test user; see :meth:`.TestUsers.create`."""
        return await finish_before_cancel(asyncio.to_thread(self.users.create, marked=marked, group=group))

    async def sign_in_test_user(self, *, marked: bool = False, group: str | None = None) -> CognitoSession:
        """Create a test user, sign the user in, and return the session."""
        user = await self.create_user(marked=marked, group=group)
        session = self.new_session()

        async def sign_in() -> None:
            await session.sign_in(user.name, user.password)
            self.sign_out_at_end(session)
            self.users.track_identity(await session.identity_id())

        await finish_before_cancel(sign_in())
        return session

    async def _remove_users(self) -> None:
        self.not_removed += await finish_before_cancel(asyncio.to_thread(self.users.remove))

    def new_session(self) -> CognitoSession:
        """Return a session of the deployment's pools, not yet signed in.

        It does not self-attach, because the checks must see a refused connection.
        """
        return CognitoSession(
            region=self.output(Output.REGION),
            user_pool_id=self.output(Output.USER_POOL_ID),
            user_pool_client_id=self.output(Output.USER_POOL_CLIENT_ID),
            identity_pool_id=self.output(Output.IDENTITY_POOL_ID),
            endpoint_url=self.aws.endpoint_url,
        )

    def sign_out_at_end(self, session: CognitoSession) -> None:
        """Revoke the session's tokens when the run ends."""

        async def sign_out() -> None:
            with suppress(SessionError):
                await session.sign_out()

        self.cleanup.push_async_callback(sign_out)

    async def self_attach(self, session: CognitoSession) -> SelfAttachment:
        """Attach the policy to the identity of a session's user through the self-attach route.

        Raises:
            SessionError: the route did not attach the policy.
        """
        route = SelfAttachRoute(self.output(Output.SELF_ATTACH_URL), self.output(Output.REGION))
        return await route.attach(await session.credentials())

    def provider(self, session: CognitoSession) -> AwsIot:
        """Return the provider that connects to the deployment's endpoint as a session's user."""
        return AwsIot(
            endpoint=self.output(Output.PUBSUB_ENDPOINT),
            region=self.output(Output.REGION),
            credentials=session,
            client_id_from_identity=self.own_topics,
        )


async def finish_before_cancel(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await work that creates a resource. If cancelled, let it finish first, so that the cleanup finds the resource.

    Raises:
        asyncio.CancelledError: the caller was cancelled; the work has ended.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
