"""The checks of a deployment. They run in a fixed order, and a check can depend on earlier ones.

:mod:`~pubsub_cli.checks.catalogue` lists all checks in order. :mod:`~pubsub_cli.checks.check` defines and runs them,
with the options of :mod:`~pubsub_cli.checks.options` and the state of :mod:`~pubsub_cli.checks.context`. Most other
modules contain the checks of one topic.
"""
