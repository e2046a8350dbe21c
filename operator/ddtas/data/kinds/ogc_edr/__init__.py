"""OGC API - Environmental Data Retrieval (OGC 19-086r6), with answers in CoverageJSON (OGC 21-069r2) or GeoJSON."""
