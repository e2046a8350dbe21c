"""Requests to an API server, bounded, and the right to make them."""
