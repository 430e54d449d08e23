"""C{python -m clustergateway.sandbox}: see L{clustergateway.sandbox.run}."""

from .run import command

command()
