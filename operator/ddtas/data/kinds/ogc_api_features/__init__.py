"""OGC API - Features: Part 1 (Core, OGC 17-069r4), Part 2 (CRS by reference, OGC 18-058r1), and schemas (Part 5)."""
