"""OGC SensorThings API 1.1, part 1: sensing (OGC 18-088)."""
