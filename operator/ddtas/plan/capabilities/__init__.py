"""What a version needs of a cluster, against what the cluster has."""
