"""Objects at a server that speaks Amazon's S3."""
