"""GeoJSON over HTTP."""
