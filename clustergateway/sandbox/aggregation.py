"""
What kube-aggregator does in a hosting cluster: APIServices that name a Service are looked after (availability,
discovery, OpenAPI), and requests for their group and version are carried to them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IDelayedCall
from twisted.web.client import RequestNotSent, ResponseFailed, readBody
from twisted.web.http_headers import Headers

from .call import User
from .discovery import RemoteGroup
from .frontproxy import Backend, FrontProxy, identity
from .objects import Object, dig, metadata
from .openapi import OpenApi
from .registry import Options, Registry
from .status import ApiError
from .store import Change, Key

GROUP = "apiregistration.k8s.io"
CHECK_SECONDS = 30.0
REFRESH_SECONDS = 60.0
LIMIT_SECONDS = 5.0
ATTEMPTS = 5
"""How many GETs ask at once whether a server is there; one that succeeds is enough."""
CHECKER = User("system:kube-aggregator", ("system:masters",))
READER = User("system:kube-aggregator")
DOCUMENT_READER = User("system:aggregator")
_AGGREGATED = ", ".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)
_OPTIONS = Options("kube-aggregator")
_FAILURES = (ConnectError, ConnectionClosed, ResponseFailed, RequestNotSent, TimeoutError, CancelledError, OSError)


@dataclass(slots=True)
class Remote:
    """
    What is known of one APIService.

    @ivar available: its last check succeeded.
    @ivar version: its C{APIVersionDiscovery}, C{None} if it has not answered yet.
    @ivar tags: ETag of each document that was read.
    """

    name: str
    group: str
    served: str
    backend: Backend | None
    why: str = ""
    available: bool = False
    version: Object | None = None
    openapi_v2: Object | None = None
    openapi_v3: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    discovered: dict[str, Object] = field(default_factory=dict)


class Aggregator:
    """
    Looks after the APIServices of a server.
    """

    def __init__(self, registry: Registry, clock: Any, proxy: FrontProxy, openapi: OpenApi) -> None:
        self._registry = registry
        self._clock = clock
        self._proxy = proxy
        self._remotes: dict[tuple[str, str], Remote] = {}
        self._calls: dict[str, IDelayedCall] = {}
        self._running: set[Deferred[None]] = set()
        openapi.remote_v2 = self._openapi_v2
        openapi.remote_v3 = self._openapi_v3
        self._unsubscribe = [
            registry.store.subscribe(self._changed, (GROUP, "apiservices")),
            registry.store.subscribe(self._service_changed, ("", "services")),
        ]

    def stop(self) -> None:
        """Look after nothing any more."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for call in self._calls.values():
            if call.active():
                call.cancel()
        for running in list(self._running):
            running.cancel()

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._proxy.close()

    # What the server asks

    def find(self, path: str) -> Remote | None:
        """
        Who answers for a path, C{None} if nobody else does.
        """
        parts = path.split("/")
        if len(parts) < 4 or parts[1] != "apis":
            return None
        return self._remotes.get((parts[2], parts[3]))

    def groups(self) -> list[RemoteGroup]:
        """For discovery: what the available servers said of themselves, or last did."""
        found: dict[str, list[Object]] = {}
        for remote in self._remotes.values():
            unknown: Object = {"version": remote.served, "resources": [], "freshness": "Stale"}
            version = remote.version or unknown
            fresh = {**version, "freshness": "Current" if remote.available and remote.version else "Stale"}
            found.setdefault(remote.group, []).append(fresh)
        return [RemoteGroup(group, tuple(versions)) for group, versions in found.items()]

    def _openapi_v2(self) -> list[Object]:
        return [remote.openapi_v2 for remote in self._remotes.values() if remote.openapi_v2 is not None]

    def _openapi_v3(self) -> Mapping[str, bytes]:
        return {path: document for one in self._remotes.values() for path, document in one.openapi_v3.items()}

    # APIServices as they come and go

    def _changed(self, change: Change) -> None:
        spec = change.after.get("spec") or {}
        where = (spec.get("group", ""), spec.get("version", ""))
        if change.deleted or not spec.get("service"):
            self._remotes.pop(where, None)
            return
        if change.before is not None and change.before.get("spec") == spec and where in self._remotes:
            return
        name = metadata(change.after)["name"]
        backend, why = self._resolve(spec)
        self._remotes[where] = Remote(name, *where, backend, why)
        self._soon(name)

    def _service_changed(self, change: Change) -> None:
        for remote in self._remotes.values():
            found = self._registry.store.get(Key(GROUP, "apiservices", "", remote.name))
            service = dig(found, "spec", "service") or {}
            if (service.get("namespace"), service.get("name")) == (change.key.namespace, change.key.name):
                remote.backend, remote.why = self._resolve((found or {})["spec"])
                self._soon(remote.name)

    def _resolve(self, spec: Object) -> tuple[Backend | None, str]:
        service = spec["service"]
        namespace, name = service["namespace"], service["name"]
        found = self._registry.store.get(Key("", "services", namespace, name))
        if found is None:
            return None, f'service/{name} in "{namespace}" is not present'
        host = dig(found, "spec", "externalName")
        if not host:
            return None, f'service/{name} in "{namespace}" is no ExternalName: there is no network here'
        ca = b"" if spec.get("insecureSkipTLSVerify") else base64.b64decode(spec.get("caBundle") or "")
        return Backend(host, service.get("port", 443), f"{name}.{namespace}.svc", ca), ""

    # Looking after them

    def _soon(self, name: str) -> None:
        self._schedule(f"check {name}", 0, name, self._check)

    def _schedule(self, key: str, seconds: float, name: str, step: Any) -> None:
        pending = self._calls.get(key)
        if pending is not None and pending.active():
            pending.cancel()

        def run() -> None:
            remote = next((one for one in self._remotes.values() if one.name == name), None)
            if remote is not None:
                self._start(step(remote))

        self._calls[key] = self._clock.callLater(seconds, run)

    def _start(self, steps: Any) -> None:
        running = Deferred.fromCoroutine(steps)
        self._running.add(running)

        def over(result: object) -> None:
            self._running.discard(running)

        running.addBoth(over)

    async def _check(self, remote: Remote) -> None:
        was = remote.available
        why = remote.why
        reason = "ServiceNotFound"
        if remote.backend is not None:
            reason, why = "FailedDiscoveryCheck", await self._probe(remote)
        remote.available = not why
        self._say(remote, reason, why)
        self._schedule(f"check {remote.name}", CHECK_SECONDS, remote.name, self._check)
        if remote.available and not was:
            await self._refresh(remote)

    async def _probe(self, remote: Remote) -> str:
        path = f"/apis/{remote.group}/{remote.served}"
        asked = [Deferred.fromCoroutine(self._get(remote, path, CHECKER, {})) for _ in range(ATTEMPTS)]
        why = ""
        for one in asked:
            try:
                code, _, _ = await one
            except _FAILURES as error:
                why = why or f"failing or missing response from {_url(remote)}{path}: {_said(error)}"
                continue
            if 200 <= code < 300:
                return ""
            why = why or f"failing or missing response from {_url(remote)}{path}: bad status from {path}: {code}"
        return why

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

    async def _refresh(self, remote: Remote) -> None:
        if remote.available:
            for read in (self._discover, self._read_v2, self._read_v3):
                try:
                    await read(remote)
                except _FAILURES:
                    continue  # what was known stays; the next check says whether the server is there
        self._schedule(f"refresh {remote.name}", REFRESH_SECONDS, remote.name, self._refresh)

    async def _discover(self, remote: Remote) -> None:
        code, headers, body = await self._get(remote, "/apis", READER, {"Accept": _AGGREGATED})
        kind = headers.getRawHeaders("content-type", [""])[0]
        if code == 200 and "APIGroupDiscoveryList" in kind:
            for item in json.loads(body).get("items") or ():
                for version in item.get("versions") or ():
                    if (dig(item, "metadata", "name"), version.get("version")) == (remote.group, remote.served):
                        remote.version = version
        elif code not in (304, 503):
            path = f"/apis/{remote.group}/{remote.served}"
            code, _, body = await self._get(remote, path, READER, {})
            if code == 200:
                remote.version = _aggregated(json.loads(body), remote.served)

    async def _read_v2(self, remote: Remote) -> None:
        code, _, body = await self._get(remote, "/openapi/v2", DOCUMENT_READER, {"Accept": "application/json"})
        if code == 200:
            remote.openapi_v2 = json.loads(body)

    async def _read_v3(self, remote: Remote) -> None:
        code, _, body = await self._get(remote, "/openapi/v3", DOCUMENT_READER, {})
        if code != 200:
            return
        path = f"apis/{remote.group}/{remote.served}"
        where = dig(json.loads(body), "paths", path, "serverRelativeURL")
        if where:
            code, _, document = await self._get(remote, where, DOCUMENT_READER, {})
            if code == 200:
                remote.openapi_v3 = {path: document}

    async def _get(self, remote: Remote, path: str, user: User, more: Mapping[str, str]) -> tuple[int, Headers, bytes]:
        assert remote.backend is not None
        headers = Headers({"User-Agent": ["Go-http-client/1.1"]})
        for name, value in [*identity(user), *more.items()]:
            headers.addRawHeader(name, value)
        tag = remote.tags.get(path)
        if tag is not None:
            headers.addRawHeader("If-None-Match", tag)
        url = (remote.backend.url + path).encode("ascii")
        sent: Deferred[Any] = self._proxy.agent(remote.backend).request(b"GET", url, headers)
        response = await sent.addTimeout(LIMIT_SECONDS, self._clock)
        body = await readBody(response).addTimeout(LIMIT_SECONDS, self._clock)
        if response.code == 200 and response.headers.hasHeader("etag"):
            remote.tags[path] = response.headers.getRawHeaders("etag")[0]
        return response.code, response.headers, body


def _url(remote: Remote) -> str:
    return remote.backend.url if remote.backend is not None else ""


def _said(error: BaseException) -> str:
    reasons = getattr(error, "reasons", None)
    return str(reasons[0].value) if reasons else str(error) or type(error).__name__


def _aggregated(listed: Object, version: str) -> Object:
    """An C{APIResourceList} as aggregated discovery says it."""
    resources: dict[str, Object] = {}
    for entry in listed.get("resources") or ():
        name, _, below = entry["name"].partition("/")
        response = {"group": entry.get("group", ""), "version": entry.get("version", ""), "kind": entry["kind"]}
        if below:
            sub: Object = {"subresource": below, "responseKind": response, "verbs": entry.get("verbs") or []}
            resources.setdefault(name, {"resource": name}).setdefault("subresources", []).append(sub)
            continue
        found = resources.setdefault(name, {"resource": name})
        found |= {"responseKind": response, "scope": "Namespaced" if entry.get("namespaced") else "Cluster"}
        found |= {"singularResource": entry.get("singularName", ""), "verbs": entry.get("verbs") or []}
        for key in ("shortNames", "categories"):
            if entry.get(key):
                found[key] = entry[key]
    complete = [one for one in resources.values() if "verbs" in one]
    return {"version": version, "resources": complete, "freshness": "Current"}
