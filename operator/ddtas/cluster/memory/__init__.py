"""What is known of a cluster, as lists and watches bring it."""
