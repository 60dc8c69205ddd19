"""Pools and roles that are there already: finding them, and telling what a deployment would change about them."""
