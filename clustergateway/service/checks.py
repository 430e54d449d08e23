"""What C{/readyz} and C{/livez} look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping


class Ready:
    """Whether requests can be served at all."""

    name = "sources"

    def __init__(self, unready: Callable[[], Iterable[str]]) -> None:
        self._unready = unready

    def check(self) -> str | None:
        return "; ".join(self._unready()) or None

    def details(self) -> Iterable[str]:
        return ()


class Problems:
    """What cannot be used and keeps nothing else from working: shown, never a reason not to be ready."""

    name = "clusters"

    def __init__(self, problems: Callable[[], Mapping[str, str]]) -> None:
        self._problems = problems

    def check(self) -> str | None:
        return None

    def details(self) -> Iterable[str]:
        return [f"{place}: {sentence}" for place, sentence in self._problems().items()]


class NotShuttingDown:
    """A replica that is about to go asks to be sent no more requests."""

    name = "shutdown"

    def __init__(self) -> None:
        self.shutting_down = False

    def check(self) -> str | None:
        return "shutting down" if self.shutting_down else None

    def details(self) -> Iterable[str]:
        return ()
