"""What texts mean: units, areas and coordinate reference systems, periods."""
