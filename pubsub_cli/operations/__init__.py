"""The work of the commands, without a terminal. Calls to AWS may raise the errors that :func:`aws_errors_explained`
explains.
"""
