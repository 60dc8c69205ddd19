"""A CDK app of somebody's own, with a user pool, an identity pool and a role of its own, and PubSub for their users."""

from __future__ import annotations

from aws_cdk import App
from orders_stack import OrdersStack

app = App()
OrdersStack(app, "Orders")
app.synth()
