"""Tables and views of PostgreSQL (12 or newer), with PostGIS or without."""
