"""The hosting cluster's API: client, list+watch, cache, leases."""
