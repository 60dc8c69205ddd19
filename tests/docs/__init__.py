"""Runs what README.md, docs/ and the examples' READMEs tell people to type."""
