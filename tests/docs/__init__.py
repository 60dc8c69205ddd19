"""Runs the commands in README.md, docs/ and the examples' READMEs."""
