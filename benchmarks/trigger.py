"""The two triggers that are measured against each other, each on a user pool of its own in the same local cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.password_sign_in import PasswordSignIn, password_sign_in
from benchmarks.report import deploy
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output

_FOLDER = Path(__file__).parent
_LAMBDAS = _FOLDER.parent / "lambdas"
_NAIVE = _FOLDER / "naive_trigger"


@dataclass(frozen=True)
class Invocation:
    """Seconds that the trigger took to handle an event: in all, and waiting for each AWS call."""

    total: float
    calls: dict[str, float]

    @property
    def own(self) -> float:
        """What is left of the time."""
        return self.total - sum(self.calls.values())


@dataclass(frozen=True)
class Trigger:
    """A deployed PostAuthentication trigger, and the sign-ins that fire it.

    Attributes:
        name: what it is called in the figures.
        cloud: where it is deployed.
        users: who signs in.
        code: the directory of its code.
        functions: the names of the trigger and of the challenge function.
        variables: the trigger's environment.
    """

    name: str
    cloud: LocalCloud
    users: PasswordSignIn
    code: Path
    functions: tuple[str, str]
    variables: dict[str, str]

    def signed_in_user(self) -> str:
        """Make a user, sign the user in, and return the name."""
        user = self.users.make_user()
        self.users.sign_in(user)
        return user

    def sign_in_seconds(self, user: str) -> float:
        """Sign a user in and return how long that took."""
        begun = time.perf_counter()
        self.users.sign_in(user)
        return time.perf_counter() - begun

    def calls(self, user: str) -> dict[str, int]:
        """Sign a user in and return the AWS calls that this led to, by operation."""
        before = Counter(self.cloud.calls())
        self.users.sign_in(user)
        return dict(Counter(self.cloud.calls()) - before - Counter({"cognito-idp:AdminInitiateAuth": 1}))

    def cool(self) -> None:
        """End every warm function, as a changed configuration does."""
        functions = self.cloud.client("lambda")
        for name in self.functions:
            variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    def cold_import_seconds(self, user: str) -> float:
        """Return how long a fresh process takes to import the trigger and handle a sign-in."""
        return float(self._in_a_fresh_process({"event": self._event(user)}))

    def by_call(self, times: int) -> list[Invocation]:
        """Let a warm process handle the first sign-ins of so many users."""
        events = [self._event(self.users.make_user()) for _ in range(times + 1)]
        return [Invocation(**each) for each in self._in_a_fresh_process({"events": events})]

    def _event(self, user: str) -> dict[str, Any]:
        """Return what Cognito would send the trigger when the user signs in."""
        found = self.users.cognito.admin_get_user(UserPoolId=self.users.user_pool_id, Username=user)
        return {
            "version": "1",
            "triggerSource": "PostAuthentication_Authentication",
            "region": self.cloud.region,
            "userPoolId": self.users.user_pool_id,
            "userName": user,
            "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": self.users.client_id},
            "request": {"userAttributes": {each["Name"]: each["Value"] for each in found["UserAttributes"]}},
            "response": {},
        }

    def _in_a_fresh_process(self, task: dict[str, Any]) -> Any:
        """Let ``invocation.py`` do a task with the trigger's code; as in Lambda none of its bytecode is kept."""
        python = {"PYTHONPATH": str(self.code), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, str(_FOLDER / "invocation.py")],
            env=self.cloud.environment() | self.variables | python,
            input=json.dumps(task),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def deployed(cloud: LocalCloud, directory: Path, *, naive: bool) -> Iterator[Trigger]:
    """Deploy the stack as an environment of its own; the naive trigger takes the place of ours in one of them.

    Args:
        cloud: where to deploy it.
        directory: where the commands and the code leave their files.
        naive: which trigger.
    """
    environment = "naive" if naive else "ours"
    outputs = deploy(cloud, directory, {"environments": {environment: {}}}, environment)
    code = directory / "code"
    for source in (_LAMBDAS, _NAIVE) if naive else (_LAMBDAS,):
        shutil.copytree(source, code, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    functions = cloud.client("lambda")
    name = outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    if naive:
        archive = shutil.make_archive(str(directory / "code"), "zip", code)
        functions.update_function_code(FunctionName=name, ZipFile=Path(archive).read_bytes())
    pool_id = outputs[Output.USER_POOL_ID]
    triggers = cloud.client("cognito-idp").describe_user_pool(UserPoolId=pool_id)["UserPool"]["LambdaConfig"]
    with password_sign_in(cloud, pool_id) as users:
        yield Trigger(
            environment,
            cloud,
            users,
            code,
            functions=(name, triggers["DefineAuthChallenge"]),
            variables=functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"],
        )
