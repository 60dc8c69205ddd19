"""An endpoint of another name than AWS IoT's own: a custom domain, or a mistake?"""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.endpoint import EndpointIsRight
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.answers import OUTPUTS, Answers, error, find

HOST = "iot.example.com"
LISTED = {"domainConfigurations": [{"domainConfigurationName": "own"}]}


async def look(listed: dict[str, Any], status: str = "ENABLED") -> Finding:
    described = {"endpointAddress": OUTPUTS[Output.PUBSUB_ENDPOINT]}
    domain = {"domainConfigurationName": "own", "domainName": HOST, "domainConfigurationStatus": status}
    aws = Answers(DescribeEndpoint=described, ListDomainConfigurations=listed, DescribeDomainConfiguration=domain)
    return await find(EndpointIsRight, aws, outputs={**OUTPUTS, Output.PUBSUB_ENDPOINT: HOST})


async def test_a_custom_domain_of_the_account_passes() -> None:
    finding = await look(LISTED)
    assert (finding.status, finding.detail) == (Status.PASSED, f"{HOST}, a custom domain of this account")


@pytest.mark.parametrize("listed", [{"domainConfigurations": []}, error("AccessDeniedException", 403)])
async def test_a_name_that_is_not_known_to_be_one_is_a_warning(listed: dict[str, Any]) -> None:
    assert (await look(listed)).status is Status.WARNING


async def test_a_custom_domain_that_is_not_in_use_is_a_warning() -> None:
    assert (await look(LISTED, "DISABLED")).status is Status.WARNING
