"""Checks of a deployment, each a small class; run in order, each resting on what earlier ones found."""
