"""Log lines about clusters that work worse, or are less safe, than they look."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..model.gateway import ClusterGateway
from ..model.preamble import authority
from ..model.soundness import warnings


class Warned:
    """Says each thing once, and again when it was not so in between."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._said: dict[str, frozenset[str]] = {}

    def changed(self, event: str, cluster: ClusterGateway) -> None:
        """To be subscribed to the directory, and told of the clusters that are there already."""
        before = self._said.pop(cluster.name, frozenset())
        if event == "DELETED":
            return
        now = [*_insecure(cluster), *warnings(cluster, self._clock.seconds())]
        for sentence in now:
            if sentence not in before:
                self._log.warn("cluster {name}: {sentence}", name=cluster.name, sentence=sentence)
        if now:
            self._said[cluster.name] = frozenset(now)


def _insecure(cluster: ClusterGateway) -> Iterator[str]:
    where = [authority(endpoint.host, endpoint.port) for endpoint in cluster.endpoints if endpoint.insecure]
    if where:
        yield f"insecure: no CA is given, so the certificate of {', '.join(where)} is not verified"
