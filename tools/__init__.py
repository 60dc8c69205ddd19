"""Chores of this repository, which `make` runs: smoke, local, demo, deploy and destroy."""
