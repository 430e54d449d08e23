"""A gateway in front of another world, as a world: what passes through it is what is there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.web.iweb import IPolicyForHTTPS

from clustergateway.service.gateway import GatewayService
from clustergateway.service.maker import gateway
from clustergateway.settings import Settings
from clustergateway.testing.certificates import Authority

from .world import ApiServerWorld, ClientTls

CLUSTER = "behind"


class GatewayWorld:
    """
    @ivar impersonates: a client's C{Impersonate-*} headers never pass a gateway.
    """

    url: str
    tls: IPolicyForHTTPS
    tls_without_client: IPolicyForHTTPS
    headers: Mapping[str, str] = {}
    impersonates = False
    _service: GatewayService

    def __init__(self, behind: ApiServerWorld, tls_transport: str = "merged") -> None:
        self._behind = behind
        self._tls_transport = tls_transport
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-world-"))

    async def start(self) -> None:
        from twisted.internet import reactor

        await self._behind.start()
        clients = Authority("clients")
        (self._folder / "clusters").mkdir()
        (self._folder / "clusters" / "behind.json").write_text(json.dumps(self._secret()))
        (self._folder / "clients.crt").write_bytes(clients.certificate)
        settings = Settings(
            secure_port=0,
            bind_address="127.0.0.1",
            cert_dir=str(self._folder / "certificates"),
            clusters_dir=str(self._folder / "clusters"),
            client_ca_file=str(self._folder / "clients.crt"),
            access_log="none",
            tls_transport=self._tls_transport,
            shutdown_grace=1.0,
        )
        self._service = gateway(settings, reactor)
        await self._service.startService()
        server = self._service.url
        self.url = f"{server}/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{CLUSTER}/proxy"
        trust = (self._folder / "certificates" / "serving-ca.crt").read_bytes()
        jane = clients.client("jane")
        self.tls_without_client = ClientTls(trust)
        self.tls = ClientTls(trust, jane.certificate, jane.key)

    @staticmethod
    def _seconds(reactor: Any) -> float:
        return float(reactor.seconds())

    def _secret(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": CLUSTER,
                "labels": {"cluster.core.oam.dev/cluster-credential-type": "X509Certificate"},
            },
            "stringData": {
                "endpoint": self._behind.url,
                "ca.crt": self._behind.ca.decode("ascii"),
                "tls.crt": self._behind.admin.certificate.decode("ascii"),
                "tls.key": self._behind.admin.key.decode("ascii"),
            },
        }

    async def stop(self) -> None:
        await self._service.stopService()
        await self._behind.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
