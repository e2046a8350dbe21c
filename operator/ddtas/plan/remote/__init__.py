"""A city's own cluster: how it is reached, and whether it is the one that it was."""
