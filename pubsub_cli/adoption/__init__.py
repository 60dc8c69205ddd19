"""Adoption of existing pools and roles: finds them, and plans what a deployment would change about them."""
