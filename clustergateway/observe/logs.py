"""
The access log: one JSON line per request. No query (it can hold what somebody typed into C{kubectl exec}), no header
other than the user agent, no credential.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

if TYPE_CHECKING:
    from ..model.record import Record

_LINE = (
    '{"time":"%s.%03dZ","method":%s,"path":%s,"code":%d,"user":%s,"cluster":%s,"verb":%s,"resource":%s,'
    '"namespace":%s,"name":%s,"outcome":%s,"seconds":%.6f,"bytes_in":%d,"bytes_out":%d,"address":%s,'
    '"user_agent":%s,"audit_id":%s%s}\n'
)


class AccessLog:
    """
    An observer that writes lines, those of one turn of the reactor at once.

    @param write: takes text; not called from within C{finished}.
    """

    def __init__(self, write: Callable[[str], object], clock: IReactorTime) -> None:
        self._write = write
        self._clock = clock
        self._waiting: list[Record] = []
        self._second = -1
        self._stamp = ""

    def finished(self, record: Record) -> None:
        if not self._waiting:
            self._clock.callLater(0, self.flush)
        self._waiting.append(record)

    def flush(self) -> None:
        """Write what waits. Also called once at the end."""
        records, self._waiting = self._waiting, []
        if records:
            self._write("".join(map(self._line, records)))

    def _line(self, record: Record) -> str:
        second = int(record.ended)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        resource = f"{record.resource}/{record.subresource}" if record.subresource else record.resource
        return _LINE % (
            self._stamp,
            int(record.ended * 1000) % 1000,
            quote(record.method),
            quote(record.target.partition("?")[0]),
            record.code,
            quote(record.identity.user),
            quote(record.cluster),
            quote(record.verb),
            quote(resource),
            quote(record.namespace),
            quote(record.name),
            quote(record.outcome),
            record.ended - record.started,
            record.bytes_in,
            record.bytes_out,
            quote(record.address),
            quote(record.user_agent),
            quote(record.audit_id),
            _rarely(record),
        )


def _rarely(record: Record) -> str:
    """The fields that most requests do not have."""
    parts = []
    if record.forwarded:
        parts.append(f',"forwarded":[{",".join(map(quote, record.forwarded))}]')
    if record.endpoint:
        parts.append(f',"endpoint":{quote(record.endpoint)}')
    if record.impersonated is not None:
        parts.append(f',"impersonated":{quote(record.impersonated.user)}')
    if record.rule:
        parts.append(f',"rule":{quote(record.rule)}')
    if record.upgrade:
        parts.append(f',"upgrade":{quote(record.upgrade)}')
    if record.retries:
        parts.append(f',"retries":{record.retries}')
    if record.cause:
        parts.append(f',"cause":{quote(record.cause)}')
    return "".join(parts)
