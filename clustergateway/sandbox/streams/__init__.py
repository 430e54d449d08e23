"""A pod's streams: exec, attach, port-forward and log, over WebSocket and SPDY/3.1."""

from .podstreams import PodStreams

__all__ = ["PodStreams"]
