"""The AWS-managed policies AWSIoTDataAccess and AWSIoTConfigAccess, as AWS publishes them.

ministack makes up a permissive document for a managed policy that it does not know.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSIoTDataAccess.html
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSIoTConfigAccess.html
"""

from __future__ import annotations

import json
from pathlib import Path

from ministack.services import iam

NEEDS = {iam: ("_make_aws_managed_record", "_aws_managed_policies")}

_DOCUMENTS = Path(__file__).parent.parent / "managed_policies"


def install() -> None:
    """Put the documents where ministack keeps AWS's own policies."""
    for file in sorted(_DOCUMENTS.glob("*.json")):
        document = {key: value for key, value in json.loads(file.read_text()).items() if key != "_source"}
        record = iam._make_aws_managed_record(file.stem, json.dumps(document))
        iam._aws_managed_policies[f"arn:aws:iam::aws:policy/{file.stem}"] = record
