"""Fetching and understanding data, from any source: without Kubernetes, and without the operator."""
