"""Finds existing pools and roles to adopt, and plans the changes of a deployment."""
