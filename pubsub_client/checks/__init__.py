"""Checks of a deployment, each a small class; run in order, each resting on what earlier ones found.

The engine: :mod:`~pubsub_client.checks.check` (what a check is), :mod:`~pubsub_client.checks.command` (what mends),
:mod:`~pubsub_client.checks.asked` and :mod:`~pubsub_client.checks.context` (what a run is asked and knows),
:mod:`~pubsub_client.checks.catalogue` (which checks, in which order), :mod:`~pubsub_client.checks.runner`. Every other
module holds checks of one theme, or what such checks look at.
"""
