"""Twins that feed each other."""
