"""Follows whom the hosting cluster believes, so that this gateway believes the same."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError
from ..kube.cache import Handlers, Informer
from ..kube.client import KubeClient, Object
from ..model.resourcetype import CONFIG_MAPS
from ..model.trust import NAME, NAMESPACE, Trust, parse_trust


class HubTrust:
    """
    Watches the ConfigMap C{kube-system/extension-apiserver-authentication} and has each usable state of it taken into
    use. While it is away, gone or unusable, the last good one stays in force.
    """

    _log = Logger()

    def __init__(
        self,
        client: KubeClient,
        clock: IReactorTime,
        chance: Callable[[], float],
        use: Callable[[Trust], None],
    ) -> None:
        """
        @param chance: draws from 0 to 1.
        @param use: called with each new trust; a L{ConfigurationError} it raises refuses it.
        """
        self._use = use
        self._trust: Trust | None = None
        self._problem = ""
        self._informer = Informer(
            client, CONFIG_MAPS, clock, chance, NAMESPACE, [("fieldSelector", f"metadata.name={NAME}")]
        )
        self._informer.subscribe(Handlers(self._take, lambda _, new: self._take(new), self._gone))

    def start(self) -> None:
        """Begin to watch."""
        self._informer.start()

    def stop(self) -> None:
        """Watch no more; the last good trust stays in force."""
        self._informer.stop()

    @property
    def stale_since(self) -> float | None:
        """As that of L{Informer}."""
        return self._informer.stale_since

    def when_synced(self) -> Deferred[None]:
        """Fires when the hub has been heard once, whether or not it has such a ConfigMap."""
        return self._informer.when_synced()

    def problems(self) -> tuple[str, ...]:
        """Why what the hub says now is not in force, if it is not."""
        if self._problem:
            return (*self._informer.problems(), self._problem)
        if self._informer.synced and self._trust is None:
            return (*self._informer.problems(), f"the hub has no ConfigMap {NAMESPACE}/{NAME}")
        return self._informer.problems()

    def _take(self, config_map: Object) -> None:
        if config_map["metadata"]["name"] != NAME:
            return
        try:
            trust = parse_trust(config_map)
            if trust != self._trust:
                self._use(trust)
        except ConfigurationError as error:
            self._problem = f"ConfigMap {NAMESPACE}/{NAME} cannot be used: {error.message}"
            self._log.error("{problem}; the former trust stays", problem=self._problem)
        else:
            self._trust, self._problem = trust, ""

    def _gone(self, config_map: Object) -> None:
        if config_map["metadata"]["name"] == NAME:
            self._problem = f"ConfigMap {NAMESPACE}/{NAME} is gone from the hub"
            self._log.error("{problem}; the former trust stays", problem=self._problem)
