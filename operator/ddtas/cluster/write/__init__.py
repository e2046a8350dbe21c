"""Objects, statuses and Events, as they are written."""
