"""A layer or table of an ArcGIS FeatureServer or MapServer, by the GeoServices REST specification."""
