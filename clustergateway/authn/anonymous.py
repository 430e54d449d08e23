"""Nobody in particular."""

from __future__ import annotations

from ..model.identity import ANONYMOUS, Claims, Identity


class AnonymousAuthenticator:
    """Takes whoever shows nothing for C{system:anonymous}. Last in line: what that user may do is for others to say."""

    def authenticate(self, claims: Claims) -> Identity:
        """Every claim is good enough."""
        return ANONYMOUS
