"""What an app gets: one table for each requirement, the same in every city, whatever the source."""
