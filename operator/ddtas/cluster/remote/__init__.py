"""Cities' own clusters, and where workloads go."""
