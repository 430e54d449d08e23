"""An in-memory Kubernetes API server: enough of one to try the gateway and to test it."""
