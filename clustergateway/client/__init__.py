"""A Python client library for the gateway."""
