from __future__ import annotations

import pytest
from botocore.session import Session

from local_cloud.faults.quotas import AWS_QUOTAS

OPERATIONS = [operation for quota in AWS_QUOTAS for operation in quota.operations]


@pytest.fixture(scope="module")
def aws() -> Session:
    return Session()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_quota_is_of_an_operation_that_aws_has(aws: Session, operation: str) -> None:
    service, _, name = operation.partition(":")
    assert name in aws.get_service_model(service).operation_names


def test_no_operation_has_two_quotas() -> None:
    assert len(set(OPERATIONS)) == len(OPERATIONS)
