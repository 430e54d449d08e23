"""
Request metrics under the names of the original gateway, kept as plain numbers and turned into Prometheus' model only
when somebody scrapes: a request costs one dictionary look-up and three additions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from ..model.record import Record

BUCKETS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BOUNDS = (*(str(float(bound)) for bound in BUCKETS), "+Inf")

SERIES = 10_000
"""Most (resource, verb, cluster, code) series kept: what is in a path is the client's choice, memory is not."""

LONGEST_RESOURCE = 63
"""Longest name of a resource (RFC 1035 label); what is longer is none, only what somebody put into a path."""

OTHER = "other"

_UNAUTHENTICATED = "401"
"""Code of requests from strangers, who get no series of their own: they could take all of them."""

_Key = tuple[str, str, str, str]
_Labels = TypeVar("_Labels", bound=tuple[str, ...])
Reading = tuple[str, str, tuple[str, ...], Mapping[tuple[str, ...], float]]


class _Series:
    """Requests of one kind: how many ended in each bucket, and how long they took altogether in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(_BOUNDS)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def counts(self) -> list[int]:
        """Those in each bucket and in all before it."""
        return list(accumulate(self.buckets))


class RequestMetrics(Collector):
    """An observer of requests and a collector of C{prometheus_client}."""

    def __init__(self) -> None:
        self._series: dict[_Key, _Series] = {}
        self.bytes_in = 0
        self.bytes_out = 0
        self._outcomes: dict[str, int] = {}

    def finished(self, record: Record) -> None:
        if not record.proxied:
            return
        key = (record.resource, record.verb, record.cluster, str(record.code))
        series = self._series.get(key)
        if series is None:
            series = self._begin(key)
        series.add(record.ended - record.started)
        self.bytes_in += record.bytes_in
        self.bytes_out += record.bytes_out
        self._outcomes[record.outcome] = self._outcomes.get(record.outcome, 0) + 1

    def _begin(self, key: _Key) -> _Series:
        if len(self._series) >= SERIES or len(key[0]) > LONGEST_RESOURCE or key[3] == _UNAUTHENTICATED:
            key = (OTHER, OTHER, OTHER, key[3])
        return self._series.setdefault(key, _Series())

    def collect(self) -> Iterator[Metric]:
        by_resource: dict[tuple[str, str, str], int] = {}
        by_cluster: dict[tuple[str, str], int] = {}
        durations = HistogramMetricFamily(
            "ocm_proxy_proxied_request_duration_seconds",
            "Time from the head of a proxied request to its end.",
            labels=("resource", "verb", "cluster", "code"),
        )
        for key, series in self._series.items():
            resource, verb, cluster, code = key
            counts = series.counts()
            durations.add_metric(key, list(zip(_BOUNDS, counts, strict=True)), series.seconds)
            by_resource[resource, verb, code] = by_resource.get((resource, verb, code), 0) + counts[-1]
            by_cluster[cluster, code] = by_cluster.get((cluster, code), 0) + counts[-1]
        yield durations
        yield _counter(
            "ocm_proxy_proxied_resource_requests_by_resource_total",
            "Proxied requests by what they asked for.",
            ("resource", "verb", "code"),
            by_resource,
        )
        yield _counter(
            "ocm_proxy_proxied_requests_by_cluster_total",
            "Proxied requests by cluster.",
            ("cluster", "code"),
            by_cluster,
        )
        yield _counter(
            "clustergateway_proxied_requests_by_outcome_total",
            "Proxied requests by how they ended.",
            ("outcome",),
            {(outcome,): count for outcome, count in self._outcomes.items()},
        )
        yield _counter(
            "clustergateway_proxied_bytes_total",
            "Bytes of bodies carried, by direction: in is from clients, out is to them.",
            ("direction",),
            {("in",): self.bytes_in, ("out",): self.bytes_out},
        )


class ReviewMetrics(Collector):
    """How long the hosting cluster takes to say what users may do; a collector of C{prometheus_client}."""

    def __init__(self) -> None:
        self._series: dict[bool, _Series] = {}

    def reviewed(self, seconds: float, success: bool) -> None:
        """
        One SubjectAccessReview is over.

        @param success: there was a decision, whichever; not so if the hub hangs and was not even asked.
        """
        self._series.setdefault(success, _Series()).add(seconds)

    def collect(self) -> Iterator[Metric]:
        durations = HistogramMetricFamily(
            "ocm_proxy_cluster_escalation_access_review_duration_seconds",
            "Time of a SubjectAccessReview, by whether the hosting cluster came to a decision.",
            labels=("success",),
        )
        for success, series in self._series.items():
            buckets = list(zip(_BOUNDS, series.counts(), strict=True))
            durations.add_metric(("true" if success else "false",), buckets, series.seconds)
        yield durations


class Gauges(Collector):
    """
    Numbers that are read when somebody scrapes.

    @param read: gives each gauge's name and help, its label names, and its values by label values.
    """

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, doc, labels, values in self._read():
            gauge = GaugeMetricFamily(name, doc, labels=labels)
            for label_values, value in values.items():
                gauge.add_metric(label_values, value)
            yield gauge


class Counters(Collector):
    """
    Likewise numbers that only grow.

    @param read: as for L{Gauges}; the names end in C{_total}.
    """

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, doc, labels, values in self._read():
            yield _counter(name, doc, labels, values)


def _counter(name: str, doc: str, labels: tuple[str, ...], counts: Mapping[_Labels, float]) -> CounterMetricFamily:
    counter = CounterMetricFamily(name.removesuffix("_total"), doc, labels=labels)
    for values, count in counts.items():
        counter.add_metric(values, count)
    return counter
