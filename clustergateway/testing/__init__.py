"""In-memory worlds, wires and certificates for tests; shipped, so that users can test against the gateway too."""
