"""
C{/healthz}, C{/livez} and C{/readyz}: for the kubelet and load balancers, so without authentication, and in the format
of kube-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from ..errors import MethodNotAllowed, NotFound
from ..model.query import Values
from .answer import query_of, send
from .failure import fail

METHODS = (b"GET", b"HEAD")
HEADERS = (
    (b"Content-Type", b"text/plain; charset=utf-8"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cache-Control", b"no-cache, private"),
)


class Check(Protocol):
    """
    Something that can be well or not. Asked in the middle of a request: answers from memory.

    @ivar name: one segment of a path.
    """

    @property
    def name(self) -> str: ...

    def check(self) -> str | None:
        """
        @return: C{None} if it is well, else why not; read by anybody, so it names no user and holds no credential.
        """
        ...

    def details(self) -> Iterable[str]:
        """What else is worth knowing, a line each, whether it is well or not."""
        ...


class Ping:
    """Is well when it is asked at all."""

    name = "ping"

    def check(self) -> str | None:
        return None

    def details(self) -> Iterable[str]:
        return ()


class Health(Resource):
    """C{/readyz} and the like: all of its checks; each of them by itself is below."""

    def __init__(self, name: str, checks: Sequence[Check]) -> None:
        super().__init__()
        self._name = name
        self._checks = (Ping(), *checks)
        for check in self._checks:
            self.putChild(check.name.encode("ascii"), Single(check))

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        return Absent()

    def render(self, request: Request) -> int:
        return _render(request, *self._report(query_of(request)))

    def _report(self, values: Values) -> tuple[bool, str]:
        excluded = set(values.get("exclude", ()))
        lines: list[str] = []
        well = True
        for check in self._checks:
            if check.name in excluded:
                excluded.discard(check.name)
                lines.append(f"[+]{check.name} excluded: ok")
                continue
            reason = check.check()
            well = well and reason is None
            lines.append(f"[+]{check.name} ok" if reason is None else f"[-]{check.name} failed: {_line(reason)}")
            lines.extend(f"   {_line(detail)}" for detail in check.details())
        if excluded:
            names = ", ".join(f'"{name}"' for name in sorted(map(_line, excluded)))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
        if well and "verbose" not in values:
            return well, "ok"
        lines.append(f"{self._name} check {'passed' if well else 'failed'}")
        return well, "\n".join(lines) + "\n"


class Single(Resource):
    """C{/readyz/CHECK}."""

    def __init__(self, check: Check) -> None:
        super().__init__()
        self._check = check

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        return Absent()

    def render(self, request: Request) -> int:
        reason = self._check.check()
        if reason is not None:
            return _render(request, False, f"internal server error: {_line(reason)}\n")
        details = self._check.details() if "verbose" in query_of(request) else ()
        return _render(request, True, "\n".join(["ok", *map(_line, details)]))


class Absent(Resource):
    """No check has this name."""

    isLeaf = True

    def render(self, request: Request) -> int:
        fail(request, Failure(NotFound("the server could not find the requested resource")))
        return NOT_DONE_YET


def _render(request: Request, well: bool, text: str) -> int:
    if request.method in METHODS:
        send(request, text.encode(), HEADERS, 200 if well else 500)
    else:
        request.setHeader(b"Allow", b", ".join(METHODS))
        fail(request, Failure(MethodNotAllowed("the server does not allow this method on the requested resource")))
    return NOT_DONE_YET


def _line(text: str) -> str:
    """On one line, whatever it holds."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
