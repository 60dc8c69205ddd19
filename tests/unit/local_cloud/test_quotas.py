from __future__ import annotations

import pytest
from botocore.session import Session

from local_cloud.faults import Throttle
from local_cloud.faults.quotas import AWS_QUOTAS, quota_of

OPERATIONS = [operation for quota in AWS_QUOTAS for operation in quota.operations]


@pytest.fixture(scope="module")
def aws() -> Session:
    return Session()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_quota_limits_an_operation_that_aws_has(aws: Session, operation: str) -> None:
    service, _, name = operation.partition(":")
    assert name in aws.get_service_model(service).operation_names


def test_operation_has_one_quota() -> None:
    assert len(set(OPERATIONS)) == len(OPERATIONS)


def test_fault_of_a_quota_throttles_its_operations_together() -> None:
    fault = quota_of("cognito-idp:AdminInitiateAuth").fault
    assert fault.operations == ("cognito-idp:InitiateAuth", "cognito-idp:AdminInitiateAuth")
    assert fault.effect == Throttle(120)
    with pytest.raises(KeyError):
        quota_of("iot:ListPolicies")
