"""Apache Parquet over HTTP, with GeoParquet 1.1 metadata."""
