"""The operator that installs the gateway in an Open Cluster Management hub."""
