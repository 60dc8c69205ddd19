"""Measurements of the client, the CLI, the CDK app and the attachment of many users. The product never imports them."""
