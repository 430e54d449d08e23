"""What C{/version} answers (version.Info of apimachinery)."""

from __future__ import annotations

import re


def version_info(version: str) -> dict[str, str]:
    """
    @param version: of this project, PEP 440; its first two numbers are major and minor.
    @return: every field that typed clients insist on; those that mean nothing here are empty.
    """
    numbers = [*re.findall(r"[0-9]+", version), "0", "0", "0"]
    return {
        "major": numbers[0],
        "minor": numbers[1],
        "gitVersion": f"v{numbers[0]}.{numbers[1]}.{numbers[2]}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }
