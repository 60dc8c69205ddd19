"""Evaluates IAM and AWS IoT policies: what signed-in users may do, and why a request is denied.

:mod:`~pubsub_cli.iam.request` lists a front end's requests and the values of their condition keys.
:mod:`~pubsub_cli.iam.roles` and :mod:`~pubsub_cli.iam.iot` read the policies of a role and of an identity, and have AWS
decide. :mod:`~pubsub_cli.iam.documents` and :mod:`~pubsub_cli.iam.evaluation` decide here, from the policy documents,
because AWS does not give its reason. :mod:`~pubsub_cli.iam.explanation` puts the reason and the correction into words.
"""
