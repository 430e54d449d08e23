"""The wiring: the one place that knows every part."""

from .maker import makeService
from .options import Options

__all__ = ["Options", "makeService"]
