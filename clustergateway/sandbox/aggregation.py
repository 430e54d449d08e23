"""
What kube-aggregator does in a hosting cluster: APIServices that name a Service are looked after (availability,
discovery, OpenAPI), and requests for their group and version are carried to them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from .discovery import RemoteGroup
from .frontproxy import Backend, FrontProxy
from .objects import Object, dig, metadata
from .openapi import OpenApi
from .registry import Registry
from .remotes import Remote, RemoteReader
from .status import ApiError
from .store import Change, Key
from .strategy import Options

GROUP = "apiregistration.k8s.io"
CHECK_SECONDS = 30.0
RETRY_SECONDS = 1.0
"""After a check that failed, which kube-apiserver repeats soon."""
REFRESH_SECONDS = 60.0
ATTEMPTS = 5
"""How many GETs ask at once whether a server is there; one that succeeds is enough."""
_OPTIONS = Options("kube-aggregator")
_log = Logger()
Step = Callable[[Remote], Coroutine[Any, Any, None]]


class Aggregator:
    """
    Looks after the APIServices of a server.
    """

    def __init__(self, registry: Registry, clock: Any, proxy: FrontProxy, openapi: OpenApi) -> None:
        """
        @param openapi: is told what documents aggregated servers add.
        """
        self._registry = registry
        self._clock = clock
        self._proxy = proxy
        self._reader = RemoteReader(proxy, clock)
        self._remotes: dict[tuple[str, str], Remote] = {}
        self._calls: dict[str, IDelayedCall] = {}
        self._running: set[Deferred[Any]] = set()
        self._stopped = False
        openapi.remote_v2 = self._openapi_v2
        openapi.remote_v3 = self._openapi_v3
        self._unsubscribe = [
            registry.store.subscribe(self._changed, (GROUP, "apiservices")),
            registry.store.subscribe(self._service_changed, ("", "services")),
        ]

    def stop(self) -> Deferred[None]:
        """Look after nothing any more, and close the connections that are kept."""
        self._stopped = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for call in self._calls.values():
            if call.active():
                call.cancel()
        for running in list(self._running):
            running.cancel()
        return Deferred.fromCoroutine(self._proxy.close())

    def find(self, path: str) -> Remote | None:
        """
        Who answers for a path, C{None} if nobody else does.
        """
        parts = path.split("/")
        if len(parts) < 4 or parts[1] != "apis":
            return None
        return self._remotes.get((parts[2], parts[3]))

    def groups(self) -> list[RemoteGroup]:
        """For discovery: what the servers said of themselves, or last did."""
        found: dict[str, list[Object]] = {}
        for remote in self._remotes.values():
            version = remote.version or {"version": remote.served, "resources": []}
            state = "Current" if remote.available and remote.version else "Stale"
            found.setdefault(remote.group, []).append({**version, "freshness": state})
        return [RemoteGroup(group, tuple(versions)) for group, versions in found.items()]

    def _openapi_v2(self) -> list[Object]:
        return [remote.openapi_v2 for remote in self._remotes.values() if remote.openapi_v2 is not None]

    def _openapi_v3(self) -> Mapping[str, bytes]:
        return {path: document for one in self._remotes.values() for path, document in one.openapi_v3.items()}

    # As they come and go

    def _changed(self, change: Change) -> None:
        spec = change.after.get("spec") or {}
        where = (spec.get("group", ""), spec.get("version", ""))
        if change.deleted or not spec.get("service"):
            self._remotes.pop(where, None)
            return
        if change.before is not None and change.before.get("spec") == spec and where in self._remotes:
            return
        name = metadata(change.after)["name"]
        self._remotes[where] = Remote(name, *where, *self._resolve(spec))
        self._schedule(f"check {name}", 0, name, self._check)

    def _service_changed(self, change: Change) -> None:
        for remote in self._remotes.values():
            found = self._registry.store.get(Key(GROUP, "apiservices", "", remote.name))
            service = dig(found, "spec", "service") or {}
            if (service.get("namespace"), service.get("name")) == (change.key.namespace, change.key.name):
                remote.backend, remote.why = self._resolve((found or {})["spec"])
                self._schedule(f"check {remote.name}", 0, remote.name, self._check)

    def _resolve(self, spec: Object) -> tuple[Backend | None, str]:
        service = spec["service"]
        namespace, name = service["namespace"], service["name"]
        found = self._registry.store.get(Key("", "services", namespace, name))
        if found is None:
            return None, f'service/{name} in "{namespace}" is not present'
        host = dig(found, "spec", "externalName")
        if not host:
            return None, f'service/{name} in "{namespace}" is no ExternalName, and there is no network here'
        ca = b"" if spec.get("insecureSkipTLSVerify") else base64.b64decode(spec.get("caBundle") or "")
        return Backend(host, service.get("port", 443), f"{name}.{namespace}.svc", ca), ""

    # Looking after them

    def _schedule(self, key: str, seconds: float, name: str, step: Step) -> None:
        if self._stopped:
            return
        pending = self._calls.get(key)
        if pending is not None and pending.active():
            pending.cancel()

        def run() -> None:
            remote = next((one for one in self._remotes.values() if one.name == name), None)
            if remote is not None:
                self._start(step(remote))

        self._calls[key] = self._clock.callLater(seconds, run)

    def _start(self, steps: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        running: Deferred[Any] = Deferred.fromCoroutine(steps)
        self._running.add(running)

        def over(result: Any) -> Any:
            self._running.discard(running)
            if isinstance(result, Failure):
                if not result.check(CancelledError):
                    _log.failure("looking after an APIService", failure=result)
                return "cancelled"
            return result

        return running.addBoth(over)

    async def _check(self, remote: Remote) -> None:
        was, reason, why = remote.available, "ServiceNotFound", remote.why
        if remote.backend is not None:
            reason = "FailedDiscoveryCheck"
            asked = [self._start(self._reader.probe(remote)) for _ in range(ATTEMPTS)]
            said = [await one for one in asked]
            why = "" if "" in said else said[0]
        remote.available = not why
        self._say(remote, reason, why)
        seconds = CHECK_SECONDS if remote.available else RETRY_SECONDS
        self._schedule(f"check {remote.name}", seconds, remote.name, self._check)
        if remote.available and not was:
            await self._refresh(remote)

    async def _refresh(self, remote: Remote) -> None:
        if remote.available:
            await self._reader.refresh(remote)
        self._schedule(f"refresh {remote.name}", REFRESH_SECONDS, remote.name, self._refresh)

    def _say(self, remote: Remote, reason: str, why: str) -> None:
        good: Object = {"status": "True", "reason": "Passed", "message": "all checks passed"}
        state = good if not why else {"status": "False", "reason": reason, "message": why}
        kind = self._registry.kinds.stored(GROUP, "apiservices")
        assert kind is not None

        def change(obj: Object) -> Object:
            status = obj.setdefault("status", {})
            old = next((one for one in status.get("conditions") or () if one["type"] == "Available"), None)
            since = old["lastTransitionTime"] if old and old["status"] == state["status"] else self._registry.now()
            status["conditions"] = [{"type": "Available", "lastTransitionTime": since, **state}]
            return obj

        try:
            self._registry.change(kind, "", remote.name, change, _OPTIONS, "status")
        except ApiError:
            return  # it was deleted meanwhile
