"""OGC GeoPackage over HTTP."""
