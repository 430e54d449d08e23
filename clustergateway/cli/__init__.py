"""The command C{clustergateway}: what is done around a gateway, by hand or in scripts."""

from .command import main

__all__ = ["main"]
