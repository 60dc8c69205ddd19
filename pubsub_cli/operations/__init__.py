"""What the commands do, without a terminal. Every call to AWS may raise what :func:`aws_errors_explained` explains."""
