"""What every source of clusters that reads files has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..model.gateway import ClusterGateway
from ..model.soundness import all_warnings
from ..transport.files import Poll
from .store import Listener, Store


class FileDirectory(ABC):
    """
    A L{Directory<clustergateway.interfaces.Directory>} that reads files and follows their changes.

    @ivar path: what it reads.
    @ivar store: where the clusters are kept; their health is written there.
    """

    _log = Logger()

    def __init__(self, path: str, clock: IReactorTime, interval: float = 1.0) -> None:
        """
        @param interval: seconds between two looks at the files.
        """
        self.path = path
        self._clock = clock
        self.store = Store(clock)
        self.get = self.store.get  # the hot path, without another call
        self._problems: Mapping[str, str] = MappingProxyType({})
        self._poll = Poll(self.poll, clock, interval)

    def start(self) -> None:
        """
        Read everything once, now, and then follow changes.

        @raise ConfigurationError: there is nothing to read.
        """
        self.load()
        self._poll.start()

    def stop(self) -> None:
        self._poll.stop()

    @abstractmethod
    def load(self) -> None:
        """
        Read everything.

        @raise ConfigurationError: there is nothing to read.
        """

    @abstractmethod
    def poll(self) -> None:
        """Look for changes, and read what changed."""

    def all(self) -> Iterator[ClusterGateway]:
        return self.store.all()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self.store.subscribe(listener)

    def problems(self) -> Mapping[str, str]:
        """
        What cannot be used at the moment: place (C{""}: all of it), or cluster -> sentence. Free of secrets.
        """
        return MappingProxyType({**all_warnings(self.all(), self._clock.seconds()), **self._problems})

    def _report(self, problems: Mapping[str, str]) -> None:
        for place, sentence in problems.items():
            if self._problems.get(place) != sentence:
                self._log.warn("{path}: {place}: {sentence}", path=self.path, place=place or "all", sentence=sentence)
        for place in self._problems.keys() - problems.keys():
            self._log.info("{path}: {place}: in order again", path=self.path, place=place or "all")
        self._problems = MappingProxyType(dict(problems))
