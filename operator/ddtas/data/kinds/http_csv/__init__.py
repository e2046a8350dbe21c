"""CSV over HTTP."""
