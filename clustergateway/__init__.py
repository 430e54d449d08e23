"""Cluster Gateway: one address through which any Kubernetes client reaches many clusters."""
