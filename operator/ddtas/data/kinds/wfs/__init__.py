"""OGC Web Feature Service 2.0 (OGC 09-025r2, also ISO 19142)."""
