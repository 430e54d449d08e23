"""Tests for L{clustergateway.observe.metrics}."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.record import Record
from clustergateway.observe.metrics import SERIES, Counters, Gauges, RequestMetrics, ReviewMetrics


def record(resource: str = "pods", seconds: float = 0.01, code: int = 200, outcome: str = "complete") -> Record:
    return Record(
        "GET", "/x", 100.0, cluster="east", verb="list", resource=resource, code=code, outcome=outcome,
        ended=100.0 + seconds, bytes_in=3, bytes_out=5, proxied=True,
    )  # fmt: skip


class RequestMetricsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.metrics = RequestMetrics()
        self.registry = CollectorRegistry()
        self.registry.register(self.metrics)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def test_strangers_and_names_that_are_none_get_no_series_of_their_own(self) -> None:
        for number in range(5):
            self.metrics.finished(record(f"r{number}", code=401, outcome="refused"))
            self.metrics.finished(record(f"{number}" * 64))
        total = "ocm_proxy_proxied_resource_requests_by_resource_total"
        self.assertEqual(self.value(total, resource="other", verb="other", code="401"), 5)
        self.assertEqual(self.value(total, resource="other", verb="other", code="200"), 5)
        self.assertIsNone(self.value(total, resource="r1", verb="list", code="401"))

    def test_the_originals_names_labels_and_buckets(self) -> None:
        self.metrics.finished(record(seconds=0.01))
        self.metrics.finished(record(seconds=3, code=500))
        self.metrics.finished(record("nodes"))
        total = "ocm_proxy_proxied_resource_requests_by_resource_total"
        self.assertEqual(self.value(total, resource="pods", verb="list", code="200"), 1)
        self.assertEqual(self.value(total, resource="pods", verb="list", code="500"), 1)
        self.assertEqual(self.value("ocm_proxy_proxied_requests_by_cluster_total", cluster="east", code="200"), 2)
        of = {"resource": "pods", "verb": "list", "cluster": "east", "code": "500"}
        duration = "ocm_proxy_proxied_request_duration_seconds"
        self.assertEqual(self.value(f"{duration}_bucket", le="2.0", **of), 0)
        self.assertEqual(self.value(f"{duration}_bucket", le="5.0", **of), 1)
        self.assertEqual(self.value(f"{duration}_bucket", le="+Inf", **of), 1)
        self.assertEqual(self.value(f"{duration}_count", **of), 1)
        self.assertAlmostEqual(self.value(f"{duration}_sum", **of) or 0, 3)

    def test_bytes_and_outcomes(self) -> None:
        self.metrics.finished(record(outcome="client-gone"))
        self.assertEqual(self.value("clustergateway_proxied_bytes_total", direction="in"), 3)
        self.assertEqual(self.value("clustergateway_proxied_bytes_total", direction="out"), 5)
        self.assertEqual(self.value("clustergateway_proxied_requests_by_outcome_total", outcome="client-gone"), 1)

    def test_what_the_gateway_answers_itself_is_not_counted_as_proxied(self) -> None:
        local = record()
        local.proxied = False
        self.metrics.finished(local)
        total = self.value("ocm_proxy_proxied_requests_by_cluster_total", cluster="east", code="200")
        self.assertIsNone(total)

    def test_a_client_that_invents_resources_cannot_fill_the_memory(self) -> None:
        for number in range(SERIES + 50):
            self.metrics.finished(record(f"r{number}"))
        counted = self.value(
            "ocm_proxy_proxied_resource_requests_by_resource_total", resource="other", verb="other", code="200"
        )
        self.assertEqual(counted, 50)


class ReviewMetricsTests(SynchronousTestCase):
    def test_durations(self) -> None:
        metrics = ReviewMetrics()
        registry = CollectorRegistry()
        registry.register(metrics)
        for seconds, success in ((0.003, True), (0.3, True), (10.0, False)):
            metrics.reviewed(seconds, success)
        name = "ocm_proxy_cluster_escalation_access_review_duration_seconds"
        for decided, le, count in (("true", "0.005", 1), ("true", "0.5", 2), ("false", "5.0", 0), ("false", "10.0", 1)):
            self.assertEqual(registry.get_sample_value(f"{name}_bucket", {"success": decided, "le": le}), count)
        self.assertEqual(registry.get_sample_value(f"{name}_count", {"success": "true"}), 2)
        self.assertAlmostEqual(registry.get_sample_value(f"{name}_sum", {"success": "true"}) or 0, 0.303)


class GaugesTests(SynchronousTestCase):
    def test_read_at_each_scrape(self) -> None:
        numbers: dict[tuple[str, ...], float] = {("east",): 1.0}
        registry = CollectorRegistry()
        registry.register(Gauges(lambda: [("clustergateway_tunnels", "Open tunnels.", ("cluster",), numbers)]))
        numbers["east",] = 2.0
        self.assertIn(b'clustergateway_tunnels{cluster="east"} 2.0', generate_latest(registry))


class CountersTests(SynchronousTestCase):
    def test_they_are_counters(self) -> None:
        registry = CollectorRegistry()
        numbers: dict[tuple[str, ...], float] = {("file",): 2.0}
        registry.register(Counters(lambda: [("clustergateway_events_total", "Events.", ("sink",), numbers)]))
        text = generate_latest(registry)
        self.assertIn(b"# TYPE clustergateway_events_total counter", text)
        self.assertIn(b'clustergateway_events_total{sink="file"} 2.0', text)
