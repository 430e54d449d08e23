"""Bytes: TLS, connections and the joining of two of them. Knows HTTP/1.1, nothing of Kubernetes."""
