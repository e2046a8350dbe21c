"""Looks at what a cluster has, and at its network."""
