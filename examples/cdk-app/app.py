"""A CDK app with its own user pool, identity pool and role, and PubSub for its users."""

from __future__ import annotations

from aws_cdk import App
from orders_stack import OrdersStack

app = App()
OrdersStack(app, "Orders")
app.synth()
