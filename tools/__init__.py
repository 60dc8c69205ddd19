"""Deploys this repository's stack to an AWS account and takes it down again: ``make deploy``, ``make destroy``."""
