"""The audit log, as the command line wants it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TextIO
from uuid import uuid4

from twisted.internet.defer import Deferred

from ..credentials.execplugin import ExecPlugins
from ..credentials.source import Source
from ..credentials.tokenfile import TokenFiles
from ..kube.address import KubeconfigHub
from ..kube.connection import Connection, connector
from ..kube.follow import FollowedFile
from ..kube.https import poster
from ..observe.audit import Audit
from ..observe.auditfile import FileSink
from ..observe.auditsinks import Sink, StreamSink, WebhookSink
from ..observe.recording import SessionRecorder
from ..settings import Settings

MEGABYTE = 1 << 20
TIMEOUT = 10.0
"""Seconds that the webhook may take for a batch."""


class Auditing:
    """
    @ivar audit: C{None} if nothing is audited or recorded.
    """

    def __init__(self, settings: Settings, reactor: Any, environment: Mapping[str, str]) -> None:
        """
        @raise ConfigurationError: a file or folder cannot be used.
        """
        self.audit: Audit | None = None
        self._policy: FollowedFile | None = None
        self._credentials = Source(TokenFiles(reactor), ExecPlugins(reactor, reactor, environment))
        sinks = list(_sinks(settings, reactor, self._credentials))
        folder = settings.session_recording_dir
        if not sinks and not folder:
            return
        most = settings.session_recording_maxsize * MEGABYTE
        recorder = SessionRecorder(folder, reactor, most) if folder else None
        self.audit = Audit(sinks, reactor, lambda: str(uuid4()), recorder)
        if settings.audit_policy_file:
            self._policy = FollowedFile(settings.audit_policy_file, reactor, self.audit.use)

    def start(self) -> None:
        """
        @raise ConfigurationError: the policy cannot be used.
        """
        if self._policy is not None:
            self._policy.start()

    def stop(self) -> None:
        """When the last request is over."""
        if self._policy is not None:
            self._policy.stop()
        if self.audit is not None:
            self.audit.close()
        self._credentials.close()

    def problems(self) -> tuple[str, ...]:
        return () if self._policy is None else self._policy.problems()


def _sinks(settings: Settings, reactor: Any, credentials: Source) -> list[Sink]:
    sinks: list[Sink] = []
    if settings.audit_log_path == "-":
        # As it is now: twistd puts its own log in the place of sys.stdout.
        sinks.append(StreamSink(partial(_print, sys.stdout)))
    elif settings.audit_log_path:
        most = settings.audit_log_maxsize * MEGABYTE
        sinks.append(FileSink(settings.audit_log_path, reactor, most, settings.audit_log_maxbackup))
    if settings.audit_webhook_config_file:
        sinks.append(WebhookSink(_post(settings.audit_webhook_config_file, reactor, credentials), reactor))
    return sinks


def _print(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _post(kubeconfig: str, reactor: Any, credentials: Source) -> Callable[[bytes], Deferred[int]]:
    connection = Connection(KubeconfigHub(kubeconfig, reactor).cluster, credentials, connector(reactor))

    async def post(body: bytes) -> int:
        base, agent, entry = await connection.enter()
        return await poster(agent, base, reactor, TIMEOUT, entry.token)(body)

    return lambda body: Deferred.fromCoroutine(post(body))
