"""Which data source meets which requirement."""
