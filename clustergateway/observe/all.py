"""Several observers as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

if TYPE_CHECKING:
    from ..interfaces import Observer
    from ..model.record import Record


class Observers:
    """Tells each observer; one that fails is logged and keeps nobody else from hearing."""

    _log = Logger()

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def finished(self, record: Record) -> None:
        for observer in self._observers:
            try:
                observer.finished(record)
            except Exception:  # noqa: PERF203 - one observer's failure is not the next one's
                self._log.failure("an observer failed")
