"""The infrastructure: settings in, one CloudFormation stack out."""
