"""The routes to a cluster. Each is an L{twisted.internet.interfaces.IStreamClientEndpoint}."""
