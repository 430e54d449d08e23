"""What every controller does to the hosting cluster: objects as they should be, conditions, finalizers, deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ..errors import NotFound
from ..kube.cache import Informer
from ..kube.client import KubeClient
from ..model.addon import MANAGED_LABEL, MANAGER
from ..model.addonconditions import Condition, with_conditions
from ..model.resourcetype import ResourceType

Object = dict[str, Any]
RESYNC = 600.0
"""Seconds after which everything is looked at again, whether or not anything was heard of it."""
OURS = [("labelSelector", f"{MANAGED_LABEL}={MANAGER}")]


@dataclass(frozen=True)
class Hub:
    """
    The hosting cluster.

    @ivar chance: draws from 0 to 1.
    @ivar namespace: the add-on manager's own.
    """

    client: KubeClient
    clock: IReactorTime
    chance: Callable[[], float]
    namespace: str

    def informer(self, kind: ResourceType, namespace: str = "", query: Sequence[tuple[str, str]] = ()) -> Informer:
        """Not started yet."""
        return Informer(self.client, kind, self.clock, self.chance, namespace, query)

    async def find(self, kind: ResourceType, name: str, namespace: str = "") -> Object | None:
        """The object, C{None} if there is none."""
        try:
            return await self.client.get(kind, name, namespace)
        except NotFound:
            return None

    async def apply(self, kind: ResourceType, content: Object, owner: Object | None = None) -> Object:
        """
        Server-side apply as L{MANAGER}.

        @param owner: an owner reference.
        """
        if owner is not None:
            content = {**content, "metadata": {**content["metadata"], "ownerReferences": [owner]}}
        return await self.client.apply(kind, content, MANAGER)

    async def delete(self, kind: ResourceType, content: Mapping[str, Any]) -> None:
        """This very object, if it is still there."""
        metadata = content["metadata"]
        try:
            await self.client.delete(kind, metadata["name"], metadata.get("namespace", ""), str(metadata["uid"]))
        except NotFound:
            pass

    async def ours(self, kind: ResourceType, namespace: str = "") -> list[Object]:
        """Every object of the type that we made; none where the type is not served."""
        try:
            return (await self.client.list(kind, namespace, OURS))[0]
        except NotFound:
            return []

    async def say(
        self, kind: ResourceType, content: Mapping[str, Any], conditions: Iterable[Condition], **status: Any
    ) -> None:
        """
        Have the status of an object show these conditions, and C{status} besides.

        @param content: as it was last seen.
        @raise Conflict: it changed since.
        """
        before = content.get("status")
        before = before if isinstance(before, Mapping) else {}
        metadata = content["metadata"]
        wanted = with_conditions(
            before.get("conditions"), conditions, int(metadata.get("generation") or 0), self.clock.seconds()
        )
        changed = {key: value for key, value in status.items() if before.get(key) != value}
        if wanted is None and not changed:
            return
        after = {**before, **changed}
        if wanted is not None:
            after["conditions"] = wanted
        await self.client.update(kind, {**_typed(kind, content), "status": after}, "status")

    async def hold(self, kind: ResourceType, content: Mapping[str, Any], finalizer: str) -> Object:
        """
        Have the object not go away before L{let_go}.

        @return: the object, which then has the finalizer.
        @raise Conflict: it changed since it was seen.
        """
        finalizers = list(content["metadata"].get("finalizers") or ())
        if finalizer in finalizers:
            return dict(content)
        return await self._finalizers(kind, content, [*finalizers, finalizer])

    async def let_go(self, kind: ResourceType, content: Mapping[str, Any], finalizer: str) -> None:
        """
        As far as we are concerned it may go away.

        @raise Conflict: it changed since it was seen.
        """
        finalizers = list(content["metadata"].get("finalizers") or ())
        if finalizer in finalizers:
            try:
                await self._finalizers(kind, content, [each for each in finalizers if each != finalizer])
            except NotFound:
                pass

    async def _finalizers(self, kind: ResourceType, content: Mapping[str, Any], finalizers: list[str]) -> Object:
        metadata = content["metadata"]
        # With the version it was seen at: a list is replaced whole, and may be another's too.
        change = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        return await self.client.patch(kind, metadata["name"], metadata.get("namespace", ""), change)


def owner_of(kind: ResourceType, content: Mapping[str, Any]) -> Object:
    """A reference to this object as the owner of others."""
    metadata = content["metadata"]
    return {"apiVersion": kind.api_version, "kind": kind.kind, "name": metadata["name"], "uid": metadata["uid"]}


def _typed(kind: ResourceType, content: Mapping[str, Any]) -> Object:
    """Items of lists do not say what they are."""
    return {**content, "apiVersion": kind.api_version, "kind": kind.kind}
