"""Logs that a process is still writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def whole_lines(log: Path) -> list[str]:
    """Its lines; the last one may be half written, and is not among them then."""
    return log.read_text().rpartition("\n")[0].splitlines()


def logged(log: Path) -> list[dict[str, Any]]:
    """What its lines say, each of them JSON."""
    return [json.loads(line) for line in whole_lines(log)]
