"""The objects that are made for a revision."""
