"""How to restore a part of the stack that somebody deleted."""

from __future__ import annotations

RESTORE = (
    "Restore it from the template: cdk deploy --revert-drift. Without that option, `cdk deploy` does not see what was "
    "deleted."
)
"""CloudFormation then compares the template with the resources themselves, not with the previous template.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html"""
