"""The audit log: who did what where, as audit.k8s.io/v1 events; and which sessions are recorded beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError
from ..model.auditbody import Collected, hidden
from ..model.auditevent import Told, account, audit_id, event, is_long_running
from ..model.auditpolicy import (
    COMPLETE,
    METADATA_OF_EVERYTHING,
    PANIC,
    RECEIVED,
    STARTED,
    AuditPolicy,
    Level,
    Rule,
    parse_audit_policy,
)
from .audittap import AuditTap

if TYPE_CHECKING:
    from ..model.http1 import RequestHead
    from ..model.identity import Attributes
    from ..model.record import Record
    from .auditsinks import Sink
    from .metrics import Reading
    from .recording import SessionRecorder

BODY_LIMIT = 256 * 1024
"""Largest body shown, in bytes."""

_SESSIONS = frozenset(("exec", "attach"))


@dataclass(slots=True)
class _Open:
    """
    A request that was told to L{Audit.begin} and is not over.

    @ivar record: also keeps its C{id} from being given to another one.
    """

    record: Record
    rule: Rule
    tap: AuditTap | None


class Audit:
    """
    An observer. What it is told about a request's end is enough for its event; C{begin} is for what can only be seen
    on the way: the beginning, bodies, and sessions.
    """

    _log = Logger()

    def __init__(
        self,
        sinks: Sequence[Sink],
        clock: IReactorTime,
        fresh: Callable[[], str],
        recorder: SessionRecorder | None = None,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        """
        @param fresh: makes an audit id, such as a random UUID.
        @param recorder: C{None} if sessions cannot be recorded.
        """
        self._sinks = sinks
        self._clock = clock
        self._fresh = fresh
        self._recorder = recorder
        self._body_limit = body_limit
        self._policy = METADATA_OF_EVERYTHING
        self._open: dict[int, _Open] = {}
        self._waiting: list[str] = []

    def use(self, text: bytes) -> None:
        """
        Take this policy into force.

        @raise ConfigurationError: it cannot be used, or wants recordings and there is no place for them.
        """
        policy = parse_audit_policy(text)
        if self._recorder is None and any(rule.session is not None for rule in policy.rules):
            raise ConfigurationError("it wants sessions recorded, and there is no folder for recordings")
        self._policy = policy

    @property
    def policy(self) -> AuditPolicy:
        """The one in force."""
        return self._policy

    def audit_id(self, given: str) -> str:
        """The id to audit a request under and to pass on, see L{clustergateway.model.auditevent.audit_id}."""
        return audit_id(given, self._fresh)

    def begin(self, record: Record, attributes: Attributes, head: RequestHead) -> AuditTap | None:
        """
        A request is about to be forwarded, or answered by the gateway itself. May be told again about the same one,
        which changes nothing.

        @param attributes: what it does in the cluster, or here.
        @return: to be shown what passes; C{None} if nothing of that matters.
        @raise ServiceUnavailable: it is a session that must be recorded, and cannot be.
        """
        known = self._open.get(id(record))
        if known is not None:
            return known.tap
        record.group, record.version, record.path = attributes.group, attributes.version, attributes.path
        rule = self._policy.rule(record)
        silent = rule.level is Level.NONE
        if silent and rule.session is None:
            return None
        self._identify(record)
        tap = self._tap(record, rule, head)
        received = not silent and RECEIVED not in rule.omitted
        if received:
            self._emit(record, rule, RECEIVED, record.started, Told({}))
        if received or tap is not None:
            self._open[id(record)] = _Open(record, rule, tap)
        return tap

    def finished(self, record: Record) -> None:
        known = self._open.pop(id(record), None)
        if known is not None:
            rule, tap = known.rule, known.tap
        else:
            rule, tap = self._policy.rule(record), None
        if rule.level is Level.NONE:
            return
        self._identify(record)
        if known is None and RECEIVED not in rule.omitted:
            self._emit(record, rule, RECEIVED, record.started, Told({}))
        stage = PANIC if record.outcome == "panic" else COMPLETE
        if stage not in rule.omitted:
            told = Told({}) if tap is None else tap.told(rule.omit_managed_fields)
            account(told, record, rule.level)
            self._emit(record, rule, stage, record.ended, told)

    def flush(self) -> None:
        """Give the sinks what waits. Also called once at the end."""
        events, self._waiting = self._waiting, []
        if events:
            for sink in self._sinks:
                sink.write(events)

    def close(self) -> None:
        """The end: nothing more is told."""
        self.flush()
        for sink in self._sinks:
            sink.close()

    def readings(self) -> Iterable[Reading]:
        """For L{clustergateway.observe.metrics.Counters}."""
        events: dict[tuple[str, ...], float] = {}
        for sink in self._sinks:
            events[sink.name, "written"] = sink.written
            events[sink.name, "dropped"] = sink.dropped
        yield "clustergateway_audit_events_total", "Audit events.", ("sink", "result"), events
        if self._recorder is not None:
            sessions: dict[tuple[str, ...], float] = {
                ("recorded",): self._recorder.recorded,
                ("failed",): self._recorder.failed,
            }
            yield "clustergateway_recorded_sessions_total", "Recordings of sessions.", ("result",), sessions

    def _identify(self, record: Record) -> None:
        record.audit_id = self.audit_id(record.audit_id)

    def _tap(self, record: Record, rule: Rule, head: RequestHead) -> AuditTap | None:
        tap = AuditTap()
        session = record.proxied and record.subresource in _SESSIONS and head.upgrade is not None
        if session and rule.session is not None and self._recorder is not None:
            tap.recording = self._recorder.begin(record, rule.session)
        if rule.level is Level.NONE:
            pass
        elif is_long_running(record):
            tap.decodes = session and tap.recording is None
            if STARTED not in rule.omitted:
                tap.announce = lambda: self._emit(record, rule, STARTED, self._clock.seconds(), Told({}))
        elif rule.level > Level.METADATA and not hidden(record.resource, record.subresource, record.verb):
            tap.request_lines = head.lines
            if head.has_body:
                tap.request = Collected(self._body_limit)
            if rule.level >= Level.REQUEST_RESPONSE:
                tap.response = Collected(self._body_limit)
        tap.only_failures = not tap.useful
        # Refusals of the gateway's own are known without looking; what an application answers is its own affair.
        tap.explains = record.proxied and record.subresource != "proxy" and rule.level > Level.NONE
        return tap if tap.useful or tap.explains else None

    def _emit(self, record: Record, rule: Rule, stage: str, at: float, told: Told) -> None:
        found = event(record, rule.level, stage, at, told)
        try:
            line = _encode(found)
        except RecursionError:
            found.pop("requestObject", None)
            found.pop("responseObject", None)
            line = _encode(found)
        if not self._waiting:
            self._clock.callLater(0, self.flush)
        self._waiting.append(line)


_encode = json.JSONEncoder(separators=(",", ":")).encode
