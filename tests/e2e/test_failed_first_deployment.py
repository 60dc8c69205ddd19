"""A first deployment that fails, after it has adopted an identity pool of many identities, is rolled back at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from local_cloud.cdk_app import CdkApp, CdkError
from local_cloud.faults import Fail, Fault
from local_cloud.process import LocalCloud
from tests.e2e.amplify_project.project import STACK, AmplifyProject
from tests.e2e.conftest import synthesize

if TYPE_CHECKING:
    from pathlib import Path

# To visit them takes most of an hour, at the 15 a second of ListAttachedPolicies.
_IDENTITIES = 50_000
_SECONDS = 240


def test_it_visits_no_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as threads, LocalCloud.start(log_file=tmp_path / "cloud.log") as cloud:
        project = AmplifyProject.make(cloud)
        cloud.seed_identities(project.identity_pool_id, _IDENTITIES)
        adopt = {"amplifyStack": STACK, **project.permissions}
        app = CdkApp(cloud, tmp_path, settings={"adopt": adopt, "attachment": "sign-in"})
        synthesize(app)
        app.bootstrap()
        # One of the last steps, and long after the identity pool was adopted.
        cloud.set_faults([Fault(("cognito-idp:UpdateUserPool",), Fail("InvalidParameterException"))])
        begun = time.monotonic()
        deploying = threads.submit(app.deploy)
        with pytest.raises(CdkError, match="InvalidParameterException"):
            deploying.result(timeout=_SECONDS)
        print(f"deployed and rolled back in {time.monotonic() - begun:.0f} s")
        cloud.clear_faults()
        stacks = cloud.client("cloudformation")
        (stack,) = stacks.describe_stacks(StackName=app.stack_name)["Stacks"]
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        pages = stacks.get_paginator("describe_stack_events").paginate(StackName=app.stack_name)
        events = [each for page in pages for each in page["StackEvents"]]
        made = {each["ResourceType"] for each in events if each["ResourceStatus"] == "CREATE_COMPLETE"}
        assert "Custom::IotPolicyOfIdentityPool" in made
        assert "cognito-identity:ListIdentities" not in cloud.calls()
