"""How a source is reached: addresses, names, TLS, credentials, HTTP, and the limits on all of it."""
