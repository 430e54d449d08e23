"""The Secrets of the signer and of the serving certificate, made and rotated."""

from __future__ import annotations

from ..kube.client import KubeClient
from ..model.addoncertificates import (
    SERVING_SECRET,
    SIGNER_SECRET,
    Signer,
    next_look,
    serving,
    serving_data,
    signer,
    signer_data,
)
from ..model.addonobjects import copy_of_secret, serving_names
from ..model.resourcetype import SECRETS
from .hub import Hub, Object


class Certificates:
    """
    Writes with the version that was read, so that of two who make a CA at once one starts again and finds the other's.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def signer(self) -> Signer:
        """
        The CA, from our own namespace.

        @raise Conflict: somebody else wrote it at the same time.
        """
        secret = await self._hub.find(SECRETS, SIGNER_SECRET, self._hub.namespace)
        found, changed = signer(secret, self._hub.clock.seconds())
        if changed:
            wanted = copy_of_secret(SIGNER_SECRET, self._hub.namespace, "Opaque", signer_data(found))
            await _write(self._hub.client, wanted, secret)
        return found

    async def serving(self, authority: Signer, namespace: str, owner: Object) -> float:
        """
        Keep the gateway's certificate good. To be called when everybody already trusts C{authority}'s bundle.

        @return: seconds until the next look at either.
        @raise Conflict: somebody else wrote it at the same time.
        """
        now = self._hub.clock.seconds()
        secret = await self._hub.find(SECRETS, SERVING_SECRET, namespace)
        pair, changed = serving(secret, authority, serving_names(namespace), now)
        if changed:
            wanted = copy_of_secret(SERVING_SECRET, namespace, "kubernetes.io/tls", serving_data(pair, authority))
            wanted["metadata"]["ownerReferences"] = [owner]
            await _write(self._hub.client, wanted, secret)
        return next_look(authority, pair, now)


async def _write(client: KubeClient, wanted: Object, before: Object | None) -> None:
    if before is None:
        await client.create(SECRETS, wanted, wanted["metadata"]["namespace"])
        return
    metadata = {**wanted["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}
    # The type of a Secret cannot change.
    await client.update(SECRETS, {**wanted, "type": before.get("type", "Opaque"), "metadata": metadata})
