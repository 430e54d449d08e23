"""What kube-aggregator asks of an aggregated API server, and what it keeps of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.web._newclient import RequestNotSent
from twisted.web.client import ResponseFailed, readBody
from twisted.web.http_headers import Headers

from .call import User
from .frontproxy import Backend, FrontProxy, identity
from .objects import Object, dig

LIMIT_SECONDS = 5.0
CHECKER = User("system:kube-aggregator", ("system:masters",))
READER = User("system:kube-aggregator")
DOCUMENT_READER = User("system:aggregator")
FAILURES = (
    *(ConnectError, ConnectingCancelledError, ConnectionClosed),
    *(ResponseFailed, RequestNotSent, TimeoutError, OSError),
)
"""What goes wrong when a server cannot be asked."""
_AGGREGATED = ", ".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)


@dataclass(slots=True)
class Remote:
    """
    What is known of the server of one APIService.

    @ivar backend: where it is, C{None} if that is not known; then C{why} says why not.
    @ivar available: its last check succeeded.
    @ivar version: its C{APIVersionDiscovery}, C{None} before it has said anything.
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

    @property
    def path(self) -> str:
        """Of its group version."""
        return f"/apis/{self.group}/{self.served}"


class RemoteReader:
    """Asks; each answer is kept in the L{Remote}."""

    def __init__(self, proxy: FrontProxy, clock: Any) -> None:
        self._proxy = proxy
        self._clock = clock

    async def probe(self, remote: Remote) -> str:
        """
        Is it there?

        @return: C{""}, or why not.
        """
        where = f"{remote.backend.url if remote.backend else ''}{remote.path}"
        try:
            code, _, _ = await self._get(remote, remote.path, CHECKER, {}, conditional=False)
        except FAILURES as error:
            return f"failing or missing response from {where}: {_said(error)}"
        if 200 <= code < 300:
            return ""
        return f"failing or missing response from {where}: bad status from {where}: {code}"

    async def refresh(self, remote: Remote) -> None:
        """Read discovery and documents again. What cannot be read stays as it was."""
        for read in (self._discover, self._read_v2, self._read_v3):
            await _quietly(read(remote))

    async def _discover(self, remote: Remote) -> None:
        code, headers, body = await self._get(remote, "/apis", READER, {"Accept": _AGGREGATED})
        kind = (headers.getRawHeaders("content-type") or [""])[0]
        if code == 200 and "APIGroupDiscoveryList" in kind:
            for item in json.loads(body).get("items") or ():
                for version in item.get("versions") or ():
                    if (dig(item, "metadata", "name"), version.get("version")) == (remote.group, remote.served):
                        remote.version = version
        elif code not in (304, 503):
            code, _, body = await self._get(remote, remote.path, READER, {})
            if code == 200:
                remote.version = aggregated(json.loads(body), remote.served)

    async def _read_v2(self, remote: Remote) -> None:
        code, _, body = await self._get(remote, "/openapi/v2", DOCUMENT_READER, {"Accept": "application/json"})
        if code == 200:
            remote.openapi_v2 = json.loads(body)

    async def _read_v3(self, remote: Remote) -> None:
        code, _, body = await self._get(remote, "/openapi/v3", DOCUMENT_READER, {})
        if code != 200:
            return
        path = remote.path[1:]
        where = dig(json.loads(body), "paths", path, "serverRelativeURL")
        if where:
            code, _, document = await self._get(remote, where, DOCUMENT_READER, {})
            if code == 200:
                remote.openapi_v3 = {path: document}

    async def _get(
        self, remote: Remote, path: str, user: User, more: Mapping[str, str], conditional: bool = True
    ) -> tuple[int, Headers, bytes]:
        """
        @param conditional: only if it is not what was read before.
        """
        assert remote.backend is not None
        headers = Headers({"User-Agent": ["Go-http-client/1.1"]})
        tag = {"If-None-Match": remote.tags[path]} if conditional and path in remote.tags else {}
        for name, value in [*identity(user), *more.items(), *tag.items()]:
            headers.addRawHeader(name, value)
        url = (remote.backend.url + path).encode("ascii")
        sent: Deferred[Any] = self._proxy.agent(remote.backend).request(b"GET", url, headers)
        response = await sent.addTimeout(LIMIT_SECONDS, self._clock)
        body = await readBody(response).addTimeout(LIMIT_SECONDS, self._clock)
        if response.code == 200 and response.headers.hasHeader("etag"):
            remote.tags[path] = response.headers.getRawHeaders("etag")[0]
        return response.code, response.headers, body


async def _quietly(read: Any) -> None:
    try:
        await read
    except (*FAILURES, ValueError):
        return  # the next check says whether the server is there


def _said(error: BaseException) -> str:
    reasons = getattr(error, "reasons", None)
    return str(reasons[0].value) if reasons else str(error) or type(error).__name__


def aggregated(listed: Object, version: str) -> Object:
    """An C{APIResourceList} as aggregated discovery says it."""
    resources: dict[str, Object] = {}
    for entry in listed.get("resources") or ():
        name, _, below = entry["name"].partition("/")
        response = {"group": entry.get("group", ""), "version": entry.get("version", ""), "kind": entry["kind"]}
        found = resources.setdefault(name, {"resource": name})
        if below:
            sub: Object = {"subresource": below, "responseKind": response, "verbs": entry.get("verbs") or []}
            found.setdefault("subresources", []).append(sub)
            continue
        found |= {"responseKind": response, "scope": "Namespaced" if entry.get("namespaced") else "Cluster"}
        found |= {"singularResource": entry.get("singularName", ""), "verbs": entry.get("verbs") or []}
        found |= {key: entry[key] for key in ("shortNames", "categories") if entry.get(key)}
    complete = [one for one in resources.values() if "verbs" in one]
    return {"version": version, "resources": complete, "freshness": "Current"}
