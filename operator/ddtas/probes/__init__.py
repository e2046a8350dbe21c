"""When data sources are read, whose turn it is, and each probe in a process of its own."""
