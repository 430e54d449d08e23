"""The command C{clustergateway}."""
