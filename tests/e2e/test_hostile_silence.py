"""What the real process writes down of what enemies send."""

from __future__ import annotations

from .hostile import Hostile
from .scripted import CLIENT_TOKEN, CLUSTER_TOKEN
from .scripted import request as ask


class Silence(Hostile):
    def test_no_secret_and_no_traceback_is_written(self) -> None:
        """Whatever the tests before this one have sent."""
        query = "que5ry-5eCr3t"
        self.gateway.ask(f"x?{query}", f"Cookie: {query}")
        self.gateway.ask("x", f"Authorization: Bearer {query}")
        self.refused(ask("x", f"X {query}"))
        self.refused(ask(f"x {query}"))
        self.refused(ask("x", f"Content-Length: {query}"))
        written = self.gateway.log.read_text() + self.gateway.process.output + self.gateway.metrics()
        for secret in (CLIENT_TOKEN, CLUSTER_TOKEN, query, "PRIVATE KEY"):
            self.assertNotIn(secret, written)
        self.assertNotIn("Traceback", written)
        self.assertIn('"user":"mallory"', written)


class SilenceOnStockTls(Silence):
    mode = "twisted"
