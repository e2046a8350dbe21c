"""Which version is meant, what served before, and with which parameters."""
