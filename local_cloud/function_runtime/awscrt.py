"""Hides this machine's awscrt from functions, because Lambda's Python runtime does not contain it.

botocore imports it if it can, which takes a fifth of a cold start.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""

raise ModuleNotFoundError("no module named 'awscrt': Lambda's Python runtime does not contain it", name="awscrt")
