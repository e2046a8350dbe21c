"""What the statuses say."""
