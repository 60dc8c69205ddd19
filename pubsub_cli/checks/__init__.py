"""Checks of a deployment, each a small class; run in order, each resting on what earlier ones found.

The engine: :mod:`~pubsub_cli.checks.check` (what a check is), :mod:`~pubsub_cli.checks.command` (what mends),
:mod:`~pubsub_cli.checks.options` and :mod:`~pubsub_cli.checks.context` (what a run is asked and knows),
:mod:`~pubsub_cli.checks.catalogue` (which checks, in which order), :mod:`~pubsub_cli.checks.runner`. Every other
module holds checks of one theme, or what such checks look at.
"""
