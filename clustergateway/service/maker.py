"""What C{twistd} calls: from parsed options to a running service."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import ConfigurationError
from ..settings import Settings
from .aggregated import Aggregated
from .gateway import GatewayService, environment
from .hub import Hub
from .options import Options
from .sources import Sources
from .standalone import Standalone

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def makeService(options: Options, reactor: Any = None) -> IService:
    """
    @param reactor: C{None}: the one that is installed.
    @raise SystemExit: the configuration cannot be used; says why.
    """
    if reactor is None:
        from twisted.internet import reactor  # noqa: TID251 - twistd has none to give
    try:
        return Process(gateway(options.settings, reactor), reactor, options.warnings)
    except ConfigurationError as error:
        raise SystemExit(f"cluster-gateway: {error.message}") from None


def gateway(settings: Settings, reactor: Any) -> GatewayService:
    """
    @raise ConfigurationError: it cannot be used.
    """
    return GatewayService(settings, sources(settings, reactor), reactor, environment(), access_log(settings))


def sources(settings: Settings, reactor: Any) -> Sources:
    """
    @raise ConfigurationError: they cannot be used.
    """
    if settings.standalone:
        return Standalone(settings, reactor)
    try:
        hub = Hub(reactor, settings.kubeconfig, settings.user_agent, environment())
        return Aggregated(settings, reactor, hub)
    except ConfigurationError as error:
        if settings.kubeconfig or environment().get("KUBERNETES_SERVICE_HOST"):
            raise
        raise ConfigurationError(
            f"{error.message}; or run without one: give --clusters-dir or --clusters-kubeconfig"
        ) from None


def access_log(settings: Settings) -> Callable[[str], object] | None:
    """
    @raise ConfigurationError: the file cannot be written.
    """
    if settings.access_log in ("", "none"):
        return None
    if settings.access_log == "-":
        return _flushing(sys.stdout)
    try:
        return _flushing(open(settings.access_log, "a", encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"--access-log cannot be written: {error.strerror}: {settings.access_log}") from None


def _flushing(file: Any) -> Callable[[str], object]:
    def write(text: str) -> None:
        file.write(text)
        file.flush()

    return write


class Process(MultiService):
    """
    The gateway as a process: ends with status 0 when asked to by a signal, and with 1 if it cannot start.

    Twisted would end a process that got a signal by that signal, once all is stopped; who stops a container in good
    order wants to see a 0.
    """

    _log = Logger()

    def __init__(self, service: GatewayService, reactor: Any, warnings: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._service = service
        self._reactor = reactor
        self._warnings = warnings
        self._stopping = False
        service.setServiceParent(self)

    def startService(self) -> None:
        """
        @raise SystemExit: the gateway cannot start, and that is known at once.
        """
        for warning in self._warnings:
            self._log.warn("{warning}", warning=warning)
        self._handle_signals()
        # Once more when the reactor runs: by then it has put its own in place.
        self._reactor.callWhenRunning(self._handle_signals)
        self.running = True
        failures: list[Failure] = []
        started = self._service.startService().addErrback(failures.append)
        if failures:
            raise SystemExit(self._why(failures[0]))
        started.addCallback(lambda _: self._stop_with_failure(failures[0]) if failures else None)

    def _handle_signals(self) -> None:
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._reactor.callFromThread(self._stop))

    def _stop(self) -> None:
        if self._reactor.running and not self._stopping:
            self._stopping = True
            self._log.info("stopping")
            self._reactor.stop()

    def _why(self, failure: Failure) -> str:
        if isinstance(failure.value, ConfigurationError):
            return f"cluster-gateway: {failure.value.message}"
        self._log.failure("cannot start", failure)
        return "cluster-gateway: cannot start; the log says why"

    def _stop_with_failure(self, failure: Failure) -> None:
        sys.stderr.write(self._why(failure) + "\n")
        sys.stderr.flush()
        # Nothing else makes a process of twistd's end with a status of its own choice once the reactor has run.
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self._reactor.stop()
