"""What is assumed of AWS and can be told by a live deployment alone: the assumptions, and the record of what told them.

`assumptions.toml` has them, a table each; docs/first-live-deploy.md is written from it.
"""
