"""Real data servers for tests: one module each, with context managers that start and stop one on a loopback port."""
