"""Health pages: for anyone, in the format of kube-apiserver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import Counter
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Unauthenticated

from .world import World


@dataclass
class Fixed:
    name: str
    reason: str | None = None
    lines: tuple[str, ...] = ()

    def check(self) -> str | None:
        return self.reason

    def details(self) -> Iterable[str]:
        return self.lines


class HealthTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.hub = Fixed("hub")
        self.clusters = Fixed("clusters", lines=("east.yaml: data key token is\nmissing",))
        self.world = World(liveness=[self.hub], readiness=[self.hub, self.clusters])
        self.world.verdict = Unauthenticated("nobody may")

    def test_well(self) -> None:
        for path in ("/healthz", "/livez", "/readyz"):
            answer = self.world.get(path)
            self.assertEqual((answer.code, answer.body), (200, b"ok"), path)
            self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(self.world.asked, [])

    def test_verbose(self) -> None:
        self.assertEqual(
            self.world.get("/readyz?verbose").body,
            b"[+]ping ok\n[+]hub ok\n[+]clusters ok\n   east.yaml: data key token is missing\nreadyz check passed\n",
        )
        self.assertEqual(self.world.get("/livez?verbose=1").body, b"[+]ping ok\n[+]hub ok\nlivez check passed\n")

    def test_not_well(self) -> None:
        self.hub.reason = "no answer for 5 s"
        answer = self.world.get("/healthz")
        self.assertEqual(
            (answer.code, answer.body), (500, b"[+]ping ok\n[-]hub failed: no answer for 5 s\nhealthz check failed\n")
        )

    def test_exclude(self) -> None:
        self.hub.reason = "down"
        self.assertEqual(self.world.get("/readyz?exclude=hub").body, b"ok")
        answer = self.world.get("/readyz?exclude=hub&exclude=nope&verbose")
        self.assertEqual(answer.code, 200)
        self.assertIn(b"[+]hub excluded: ok\n", answer.body)
        self.assertIn(b'warn: some health checks cannot be excluded: no matches for "nope"\n', answer.body)

    def test_each_by_itself(self) -> None:
        self.assertEqual(self.world.get("/readyz/clusters").body, b"ok")
        self.assertEqual(self.world.get("/readyz/clusters?verbose").body, b"ok\neast.yaml: data key token is missing")
        self.assertEqual(self.world.get("/readyz/ping").code, 200)
        self.hub.reason = "down"
        answer = self.world.get("/readyz/hub")
        self.assertEqual((answer.code, answer.body), (500, b"internal server error: down\n"))

    def test_not_there(self) -> None:
        for path in ("/readyz/nope", "/readyz/hub/x", "/livez/clusters"):
            self.assertEqual(self.world.get(path).code, 404, path)

    def test_methods(self) -> None:
        self.assertEqual(self.world.get("/healthz", method="HEAD").headers["content-length"], "2")
        for path in ("/healthz", "/healthz/ping"):
            answer = self.world.get(path, method="POST")
            self.assertEqual((answer.code, answer.headers["allow"]), (405, "GET, HEAD"))


class MetricsTests(SynchronousTestCase):
    def test_metrics(self) -> None:
        world = World()
        Counter("things", "Things seen.", registry=world.registry).inc(3)
        answer = world.get("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn("things_total 3.0\n", answer.body.decode())
        self.assertEqual(world.asked[-1].path, "/metrics")
        self.assertEqual(world.get("/metrics/x").code, 404)
