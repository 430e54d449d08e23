"""What the documentation says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.settings import FLAGS, IGNORED_FLAGS, Flag, Limits, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def row(flag: Flag) -> str:
    """The line of docs/reference/flags.md that a flag must have."""
    default = getattr(Limits() if flag.limit else Settings(), flag.field)
    if isinstance(default, tuple):
        default = ",".join(default)
    elif isinstance(default, bool):
        default = str(default).lower()
    elif flag.name == "feature-gates":
        default = ""
    shown = f"`{default}`" if default != "" else ""
    return f"| `--{flag.name}` | {shown} | {flag.doc} |"


class FlagsTests(SynchronousTestCase):
    def test_the_reference_has_every_flag_with_its_default(self) -> None:
        lines = (DOCS / "reference" / "flags.md").read_text().splitlines()
        self.assertEqual([line for line in lines if line.startswith("| `--")], [row(flag) for flag in FLAGS])

    def test_the_reference_names_what_is_ignored(self) -> None:
        text = (DOCS / "reference" / "flags.md").read_text()
        self.assertEqual([name for name in IGNORED_FLAGS if f"`{name}`" not in text], [])


class LinksTests(SynchronousTestCase):
    def test_every_relative_link_leads_somewhere(self) -> None:
        dead = [
            f"{page.relative_to(ROOT)}: {link}"
            for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
            for link in _LINK.findall(page.read_text())
            if "://" not in link and not (page.parent / link).exists()
        ]
        self.assertEqual(dead, [])
