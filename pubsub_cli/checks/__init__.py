"""The checks of a deployment. They run in order, and each depends on earlier ones.

The engine: :mod:`~pubsub_cli.checks.check` (the definition of a check), :mod:`~pubsub_cli.checks.options` and
:mod:`~pubsub_cli.checks.context` (options and state of a run), :mod:`~pubsub_cli.checks.catalogue` (all checks in
order) and :mod:`~pubsub_cli.checks.runner`. Each other module has the checks of one topic, or what they share.
"""
