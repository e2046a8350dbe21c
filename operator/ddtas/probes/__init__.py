"""When data sources are looked at, whose turn it is, and each look in a process of its own."""
