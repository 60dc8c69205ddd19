"""The commands of this repository that `make` runs: smoke, local, demo, deploy, destroy, checks and pages."""
