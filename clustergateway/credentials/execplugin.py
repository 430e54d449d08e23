"""
Credentials that client-go exec plugins give: run beside the requests, one run at a time for a cluster, remembered until
shortly before they expire and renewed ahead of that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import ConfigurationError, CredentialUnavailable
from ..model.backoff import Backoff
from ..model.execallow import AllowList
from ..model.execplugin import INFO_VARIABLE, PluginResult, exec_info, parse_exec_result
from ..model.gateway import CertificateCredential, ClusterGateway, ExecCredential, TokenCredential
from ..model.generation import credential_version
from ..model.scrub import scrub
from ..model.x509 import expiry
from .places import NoPlace, Places
from .process import Output, PluginFailed, end_group, run_plugin
from .static import FixedEntry

TIME_LIMIT = 30.0
MARGIN = 60.0
"""Seconds before its expiry from which on a credential is not used for new requests, unless no other can be had."""
AHEAD = 240.0
"""Seconds before that at which its renewal begins, at the earliest; the requests do not wait for it."""
AFTER_REJECTION = 60.0
"""Seconds for which a credential that was rejected, run anew and came back the same is not run anew again."""
BETWEEN_REJECTIONS = 5.0
"""Seconds for which no second rejection makes the plugin run."""

_RETRIES = Backoff(1.0, 30.0, spread=0.0)


class ExecPlugins:
    """
    The plugins of all clusters. A plugin only ever runs for a request, never to list or show a cluster.

    @ivar allow: what may be run; C{None}: everything.
    """

    def __init__(
        self,
        processes: IReactorProcess,
        clock: IReactorTime,
        environment: Mapping[str, str],
        allow: AllowList | None = None,
        time_limit: float = TIME_LIMIT,
        which: Callable[[str, str | None], str | None] = lambda command, path: shutil.which(command, path=path),
        end_group: Callable[[int], None] = end_group,
    ) -> None:
        """
        @param environment: which plugins inherit; its C{PATH} is where commands are looked up.
        @param time_limit: seconds for one run, and for its wait for a place.
        @param which: finds a command's file, or says C{None}.
        @param end_group: kills a process group.
        """
        self.allow = allow
        self.clock = clock
        self._processes = processes
        self._environment = environment
        self._time_limit = time_limit
        self._which = which
        self._end_group = end_group
        self._places = Places(clock, time_limit)
        self._plugins: dict[str, Plugin] = {}

    def entry(self, cluster: ClusterGateway, credential: ExecCredential) -> FixedEntry | Deferred[FixedEntry]:
        """
        @raise CredentialUnavailable: (or the Deferred fails with it) the plugin gave none, and why.
        """
        plugin = self._plugins.get(cluster.name)
        if plugin is None or plugin.generation != cluster.generation:
            plugin = self._plugins[cluster.name] = Plugin(self, cluster, credential)
        return plugin.entry()

    def rejected(self, name: str, version: str) -> bool:
        """
        The cluster does not accept the credential of this version.

        @return: whether asking again may give another.
        """
        plugin = self._plugins.get(name)
        return plugin is not None and plugin.rejected(version)

    def expires(self, name: str) -> float | None:
        """When the credential at hand expires, seconds since the epoch; C{None}: there is none, or it never does."""
        plugin = self._plugins.get(name)
        return None if plugin is None else plugin.expires

    def forget(self, name: str) -> None:
        """The cluster is gone. Requests that wait for its plugin still get their answer."""
        self._plugins.pop(name, None)

    def close(self) -> None:
        """Kill what runs, and run nothing more."""
        self._places.close()

    def run(self, cluster: ClusterGateway, credential: ExecCredential, failing: bool = False) -> Deferred[Output]:
        """
        Run a plugin once, as soon as there is a place for it.

        @param failing: whether it failed the last time.
        @return: fails with L{PluginFailed}.
        """
        command = credential.command
        refusal = "" if self.allow is None else self.allow.refusal(credential)
        if refusal:
            return _failed(refusal)
        if "/" in command and not command.startswith("/"):
            return _failed("is named by a relative path")
        executable = self._which(command, self._environment.get("PATH"))
        if executable is None:
            return _failed("is not installed")
        endpoint = cluster.endpoints[0] if cluster.endpoints else None
        start = partial(
            run_plugin,
            self._processes,
            self.clock,
            executable,
            (command, *credential.args),
            {**self._environment, **dict(credential.env), INFO_VARIABLE: exec_info(credential, endpoint)},
            self._time_limit,
            self._end_group,
        )
        return self._places.run(start, failing)


class Plugin:
    """
    One cluster's plugin and what it gave.

    @ivar generation: of the cluster for which it runs; another generation is another plugin.
    @ivar expires: of the credential at hand.
    """

    _log = Logger()

    def __init__(self, plugins: ExecPlugins, cluster: ClusterGateway, credential: ExecCredential) -> None:
        self.generation = cluster.generation
        self.expires: float | None = None
        self._plugins = plugins
        self._clock = plugins.clock
        self._cluster = cluster
        self._credential = credential
        self._entry: FixedEntry | None = None
        self._usable_until = 0.0
        self._renew_at = 0.0
        self._running = False
        self._waiting: list[Deferred[FixedEntry]] = []
        self._failures = 0
        self._retry_at = 0.0
        self._failure = ""
        self._rejected_version = ""
        self._rejected_at = float("-inf")

    def entry(self) -> FixedEntry | Deferred[FixedEntry]:
        now = self._clock.seconds()
        if self._entry is not None and now < self._usable_until:
            if now >= self._renew_at and now >= self._retry_at:
                self._run()
            return self._entry
        if not self._running and now < self._retry_at:
            return self._last_resort(now)
        waiter: Deferred[FixedEntry] = Deferred(self._abandoned)
        self._waiting.append(waiter)
        self._run()
        return waiter

    def rejected(self, version: str) -> bool:
        if self._entry is None or self._entry.version != version:
            return True  # another one is on its way, or here
        now = self._clock.seconds()
        pause = AFTER_REJECTION if version == self._rejected_version else BETWEEN_REJECTIONS
        if now - self._rejected_at < pause:
            return False
        self._rejected_version, self._rejected_at = version, now
        self._entry = self.expires = None
        return True

    def _last_resort(self, now: float) -> FixedEntry:
        if self._entry is not None and self.expires is not None and now < self.expires:
            return self._entry
        wait = max(1, int(self._retry_at - now + 0.999))
        # No Retry-After: kubectl would obey it ten times over before it says a word.
        message = f"{self._failure} (tried again in {wait} s)"
        raise CredentialUnavailable(message, cluster=self._cluster.name, hop="credential")

    def _run(self) -> None:
        if not self._running:
            self._running = True
            run = self._plugins.run(self._cluster, self._credential, self._failures > 0)
            run.addCallback(self._ran).addErrback(self._ran_badly)

    def _ran(self, output: Output) -> None:
        try:
            result = parse_exec_result(output.stdout, self._credential.api_version)
            now = self._clock.seconds()
            expires = _end(result)
            if expires is not None and expires <= now:
                raise ConfigurationError("the credential it gave has expired already")
        except ConfigurationError as error:
            raise PluginFailed(f"gave nothing usable: {error.message}", output.stderr) from None
        self._running = False
        self._failures, self._retry_at = 0, 0.0
        self._entry, self.expires = _entry(result), expires
        life = float("inf") if expires is None else expires - now
        # One that lives for two minutes or less is used for half of its life.
        self._usable_until = now + max(life - MARGIN, life / 2)
        self._renew_at = now + max(life - MARGIN - AHEAD, life / 2 * 0.8) if expires is not None else float("inf")
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(self._entry)

    def _ran_badly(self, failure: Failure) -> None:
        self._running = False
        now = self._clock.seconds()
        if failure.check(NoPlace):
            self._retry_at = now + _RETRIES.delay(1)  # it is not to blame
        else:
            self._failures += 1
            self._retry_at = now + _RETRIES.delay(self._failures)
        self._failure = self._sentence(failure)
        self._log.warn("{sentence}", sentence=self._failure)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            self._answer(waiter, now)

    def _answer(self, waiter: Deferred[FixedEntry], now: float) -> None:
        try:
            entry = self._last_resort(now)
        except CredentialUnavailable as error:
            waiter.errback(error)
        else:
            waiter.callback(entry)

    def _sentence(self, failure: Failure) -> str:
        error = failure.value
        if not isinstance(error, PluginFailed):
            self._log.failure("an exec plugin could not be run", failure)
            error = PluginFailed("could not be run")
        command = self._credential.command.rpartition("/")[2][:60]
        sentence = f"the exec plugin {command!r} of cluster {self._cluster.name} {error.why}"
        complaint = scrub(error.stderr, self._credential)
        hint = self._credential.install_hint.strip()[:300] if error.why == "is not installed" else ""
        return "; ".join(part for part in (sentence, complaint, " ".join(hint.split())) if part)

    def _abandoned(self, waiter: Deferred[FixedEntry]) -> None:
        """Who waited is gone; the run goes on for the others, and for the next."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)


def _entry(result: PluginResult) -> FixedEntry:
    token = credential_version(TokenCredential(result.token))
    certificate = credential_version(CertificateCredential(result.certificate, result.key))
    return FixedEntry(result.token, result.certificate, result.key, token[:16] + certificate[:16])


def _end(result: PluginResult) -> float | None:
    ends = [result.expires] if result.expires is not None else []
    if result.certificate:
        ends.append(expiry(result.certificate))
    return min(ends, default=None)


def _failed(why: str) -> Deferred[Output]:
    failed: Deferred[Output] = Deferred()
    failed.errback(PluginFailed(why))
    return failed
