"""
A Kubernetes API client for control-plane calls: objects are plain JSON values, every error is one of this project's.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from ..errors import GatewayError, HubSilent, HubUnavailable
from ..model.kubefault import fault
from ..model.resourcetype import ResourceType
from .body import read_body
from .connection import Connection, unavailable
from .https import Whole
from .pulse import Pulse

TIMEOUT = 10.0
"""Seconds that a call may take until its answer comes, and then from one piece of it to the next."""
PATIENCE = 6
"""So many times as long a call may take altogether."""
LARGEST = 128 * 1024 * 1024
"""Bytes of an answer. A page of 500 Secrets rarely has a tenth of that."""
PAGE = 500
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]
Query = Sequence[tuple[str, str]]
T = TypeVar("T")


class KubeClient:
    """
    Asks one apiserver. Nothing here waits for its turn or repeats itself, but for a single second try when the
    apiserver refuses a credential of which there is a newer one.

    Methods raise L{HubUnavailable} if there is no answer, and the error of L{fault} for an answer that is one.

    @ivar pulse: whether there are answers.
    """

    def __init__(
        self, connection: Connection, clock: IReactorTime, user_agent: str = "cluster-gateway", largest: int = LARGEST
    ) -> None:
        """
        @param largest: bytes of an answer.
        """
        self._largest = largest
        self._connection = connection
        self._clock = clock
        self._user_agent = user_agent
        self.pulse = Pulse(clock)

    def close(self) -> Deferred[None]:
        """
        Close idle connections; calls under way go on, and later ones connect anew.

        @return: fires when they are closed.
        """
        return self._connection.forget()

    async def get(self, kind: ResourceType, name: str, namespace: str = "", subresource: str = "") -> Object:
        """@raise NotFound: there is none of this name, or of this type."""
        return await self.call("GET", kind.path(name, namespace, subresource))

    async def page(self, kind: ResourceType, namespace: str = "", query: Query = ()) -> Object:
        """
        One page of a list, as the apiserver answers it.

        @param query: C{labelSelector}, C{fieldSelector}, C{limit}, C{continue}, C{resourceVersion}...
        """
        return await self.call("GET", kind.path(namespace=namespace), query)

    async def list(self, kind: ResourceType, namespace: str = "", query: Query = ()) -> tuple[list[Object], str]:
        """
        Everything, however many pages it takes.

        @return: the objects, and the resourceVersion at which they were all of them.
        @raise Expired: it took so long that the apiserver forgot; try again.
        """
        items: list[Object] = []
        follow: Query = ()
        while True:
            answer = await self.page(kind, namespace, (*query, ("limit", str(PAGE)), *follow))
            found, metadata = answer.get("items"), answer.get("metadata")
            # Go writes an empty list as null.
            if not isinstance(metadata, Mapping) or not isinstance(found, (list, type(None))):
                raise HubUnavailable("The hub answers a list that is none.", hop="hub")
            items += [each for each in found or () if isinstance(each, dict)]
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion", ""))
            follow = (("continue", str(metadata["continue"])),)

    async def create(self, kind: ResourceType, content: Object, namespace: str = "") -> Object:
        """
        @param namespace: of a namespaced object.
        @raise AlreadyExists: there is one of this name.
        """
        return await self.call("POST", kind.path(namespace=namespace), body=content)

    async def review(self, kind: ResourceType, question: Object) -> Object:
        """
        Ask for a decision (TokenReview, SubjectAccessReview) for somebody who waits for it.

        After one that was not answered in time the following ones fail at once, for a pause that grows; then one of
        them finds out, while the others go on failing at once.
        """
        if not self.pulse.admit():
            raise HubUnavailable("The hub did not answer lately and is asked again in some seconds.", hop="hub")
        began = self._clock.seconds()
        try:
            answer = await self.create(kind, question)
        except HubSilent:
            if self.pulse.heard > began:
                self.pulse.reviewed()  # it is this question that hangs, and nobody else has to suffer from that
            else:
                self.pulse.unreviewed()
            raise
        except CancelledError:
            self.pulse.abandoned()
            raise
        except GatewayError:
            self.pulse.reviewed()  # that was said at once, and so will be what follows
            raise
        self.pulse.reviewed()
        return answer

    async def update(self, kind: ResourceType, content: Object, subresource: str = "") -> Object:
        """
        Replace the object (or, for instance, its C{status}) that C{content} names.

        @raise Conflict: C{metadata.resourceVersion} is given and it changed since.
        """
        return await self.call("PUT", _path_of(kind, content, subresource), body=content)

    async def patch(
        self,
        kind: ResourceType,
        name: str,
        namespace: str,
        change: Any,
        content_type: str = MERGE,
        subresource: str = "",
    ) -> Object:
        """@param content_type: L{MERGE} or L{JSON_PATCH}."""
        return await self.call("PATCH", kind.path(name, namespace, subresource), body=change, content_type=content_type)

    async def apply(
        self, kind: ResourceType, content: Object, field_manager: str, force: bool = True, subresource: str = ""
    ) -> Object:
        """
        Server-side apply: the object has what C{content} says, whether it was there or not.

        @param force: take fields over from other managers.
        @raise Conflict: another manager has a field, and C{force} is false.
        """
        content = {"apiVersion": kind.api_version, "kind": kind.kind, **content}
        query = (("fieldManager", field_manager), ("force", "true" if force else "false"))
        return await self.call("PATCH", _path_of(kind, content, subresource), query, content, APPLY)

    async def delete(
        self,
        kind: ResourceType,
        name: str,
        namespace: str = "",
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> None:
        """
        @param uid: the object must still be the one with this uid.
        @param resource_version: likewise.
        @raise Conflict: it is not.
        """
        preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if preconditions:
            options["preconditions"] = preconditions
        await self.call("DELETE", kind.path(name, namespace), body=options)

    async def call(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Any = None,
        content_type: str = JSON,
        timeout: float = TIMEOUT,
    ) -> Object:
        """
        Any call whose answer is a JSON object.

        @param path: starts with a slash; below the base path of the apiserver's URL.
        @param timeout: seconds until the answer is complete.
        """
        content = await self.raw(method, path, query, body, content_type, timeout)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise HubUnavailable("The hub's answer is not a JSON object.", hop="hub")
        self.pulse.answered()
        return answer

    async def raw(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Any = None,
        content_type: str = JSON,
        timeout: float = TIMEOUT,
    ) -> bytes:
        """Any call, and its answer as it is."""

        deadline = _Deadline(self._clock, timeout)

        async def whole() -> bytes:
            response = await self._accepted(method, path, query, body, content_type)
            return await read_body(response, self._largest, deadline.push)

        return await self._in_time(whole(), deadline)

    async def stream(self, path: str, query: Query, receiver: IProtocol, timeout: float = TIMEOUT) -> None:
        """
        GET what has no end in sight. Returns when C{receiver} has been connected to it: it gets the bytes, can close
        its transport, and hears of the end. Cancelling after that does nothing.

        @param timeout: seconds until the answer begins.
        """
        deadline = _Deadline(self._clock, timeout)
        response = await self._in_time(self._accepted("GET", path, query, None, JSON), deadline)
        response.deliverBody(receiver)

    async def _in_time(self, work: Coroutine[Deferred[Any], Any, T], deadline: _Deadline) -> T:
        began = self._clock.seconds()
        call = Deferred.fromCoroutine(work)
        deadline.start(call)
        try:
            return await call
        except (CancelledError, GatewayError) as error:
            if deadline.missed:
                # One dead connection in the pool is seldom alone.
                self._connection.forget()
                # No Retry-After: whoever obeys it would wait as long once more, ten times over.
                silent = HubSilent(f"The hub did not answer within {deadline.seconds:g} s.", hop="hub")
            elif isinstance(error, HubSilent):
                silent = error
            else:
                raise
        if self.pulse.heard <= began:
            self.pulse.missed()
        raise silent from None

    async def _accepted(self, method: str, path: str, query: Query, body: Any, content_type: str) -> IResponse:
        """An answer that is not an error. A credential that is refused is tried again only if there is another one."""
        again = True
        while True:
            base, agent, entry = await self._connection.enter()
            headers = Headers({"Accept": [JSON], "User-Agent": [self._user_agent]})
            if entry.token:
                headers.setRawHeaders("Authorization", [f"Bearer {entry.token}"])
            if body is not None:
                headers.setRawHeaders("Content-Type", [content_type])
            try:
                response: IResponse = await HTTPClient(agent).request(
                    method,
                    base + path,
                    params=list(query),
                    headers=headers,
                    data=None if body is None else Whole(json.dumps(body).encode("utf-8")),
                    allow_redirects=False,
                    unbuffered=True,
                )
            except (CancelledError, GatewayError):
                raise
            except Exception as error:
                raise unavailable(error) from None
            if 200 <= response.code < 300:
                return response
            refusal = await _error(response)
            if not isinstance(refusal, HubUnavailable):
                self.pulse.answered()
            if response.code == 401 and again and self._connection.rejected(entry):
                again = False
                continue
            raise refusal


class _Deadline:
    """
    Cancels a call that is not answered in time, where each piece of an answer is worth as long again: a large list
    over a slow link is no silence.

    @ivar missed: whether it did.
    """

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self.seconds = seconds
        self.missed = False
        self._clock = clock
        self._last = clock.seconds() + PATIENCE * seconds
        self._timer: IDelayedCall | None = None

    def start(self, call: Deferred[Any]) -> None:
        """The call has begun."""
        if not call.called:
            self._timer = self._clock.callLater(self.seconds, self._miss, call)
            call.addBoth(self._met)

    def push(self) -> None:
        """A piece of the answer came."""
        if self._timer is not None:
            self._timer.reset(max(0.0, min(self.seconds, self._last - self._clock.seconds())))

    def _miss(self, call: Deferred[Any]) -> None:
        self._timer = None
        self.missed = True
        call.cancel()

    def _met(self, result: T) -> T:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return result


async def _error(response: IResponse) -> GatewayError:
    try:
        status = json.loads(await read_body(response, LARGEST))
    except (HubUnavailable, ValueError, RecursionError):
        status = None
    retry_after = (response.headers.getRawHeaders("retry-after") or [""])[0]
    return fault(response.code, status, retry_after)


def _path_of(kind: ResourceType, content: Mapping[str, Any], subresource: str) -> str:
    metadata = content["metadata"]
    return kind.path(metadata["name"], metadata.get("namespace", "") if kind.namespaced else "", subresource)
