"""The decision about one Installation: from a Snapshot to a Plan."""
