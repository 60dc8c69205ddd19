"""Keeps this machine's awscrt from functions, on whose path it comes first: Lambda's runtime has the SDK alone.

botocore imports it wherever it finds it, which takes a cold function a fifth of its start.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""

raise ModuleNotFoundError("no module named 'awscrt': Lambda's Python runtime has none", name="awscrt")
