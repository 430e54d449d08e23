"""The gateway, with a Secret that lists an endpoint of every kind, and the real kubectl."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import ClassVar

from twisted.internet.defer import Deferred

from clustergateway.transport.endpoints.route import ProxyMode
from tests.ports import free_port

from ..contracts.konnectivity import until
from . import konnectivity_processes as konnectivity
from . import routed
from .konnectivity_processes import listens
from .proxied import missing

ADDRESS = "127.0.0.1"


class EveryKind(routed.Routed):
    """Konnectivity, SOCKS5, HTTP proxy, direct over a line that can be cut, direct: in this order of preference."""

    mode: ClassVar[ProxyMode] = "grpc"
    skip = missing("tinyproxy") or missing("microsocks") or konnectivity.missing() or None

    async def route(self) -> tuple[dict[str, str], list[str]]:
        flags = await self.konnectivity(self.mode)
        self.socks_port, self.http_port, self.line_port = free_port(), free_port(), free_port()
        self.socks = await self.microsocks(self.socks_port)
        self.http = await self.tinyproxy(self.http_port)
        self.line = self.spawn(
            *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "portforward"),
            *(f"--port=tcp:{self.line_port}:interface={ADDRESS}", f"--host={ADDRESS}"),
            f"--dest_port={self.url.rpartition(':')[2]}",
        )
        await until(lambda: self.line.ended.called or listens(self.line_port), 20)
        listed = [
            # By another name than the direct one, to be told apart in the log.
            {"type": "ClusterProxy", "url": self.url.replace(ADDRESS, "localhost"), "tls-server-name": ADDRESS},
            {"url": self.url, "proxy-url": f"socks5://127.0.0.1:{self.socks_port}"},
            {"url": self.url, "proxy-url": f"http://me:pass@127.0.0.1:{self.http_port}"},
            {"url": f"https://{ADDRESS}:{self.line_port}"},
            {"url": self.url},
        ]
        return {"endpoints": json.dumps(listed)}, flags

    def logged(self) -> bytes:
        """The latest line of the access log about it."""
        complete, _, _ = self.process.output.rpartition(b"\n")
        return ([b""] + [line for line in complete.splitlines() if b"/configmaps" in line])[-1]

    async def used(self) -> str:
        """One kubectl. @return: the kind of the endpoint that answered."""
        before = self.logged()
        code, _, err = await self.kubectl.run("get", "configmaps")
        self.assertEqual(0, code, err)
        await until(lambda: self.logged() != before)
        kinds = {
            self.url.removeprefix("https://").replace(ADDRESS, "localhost"): "konnectivity",
            f"{ADDRESS}:{self.deployment.port}": "konnectivity",
            f"{ADDRESS}:{self.socks_port}": "socks5",
            f"{ADDRESS}:{self.http_port}": "http",
            f"{ADDRESS}:{self.line_port}": "line",
            self.url.removeprefix("https://"): "direct",
        }
        record = json.loads(self.logged())
        self.took = record["seconds"]
        return kinds[record["endpoint"]]

    async def uses(self, kind: str) -> None:
        """Wait until an endpoint of this kind answers; meanwhile others do."""

        async def used() -> bool:
            return await self.used() == kind

        await until(lambda: Deferred.fromCoroutine(used()), 40)

    async def test_one_after_the_other_dies_and_the_first_comes_back(self) -> None:
        await self.uses("konnectivity")
        await self.deployment.server.kill()
        self.assertEqual("socks5", await self.used())
        await self.socks.kill()
        self.assertEqual("http", await self.used())
        await self.http.kill()
        self.assertEqual("line", await self.used())
        await self.line.kill()
        self.assertEqual("direct", await self.used())
        self.socks = await self.microsocks(self.socks_port)
        self.deployment.start_server()
        await self.uses("konnectivity")

    async def test_one_after_the_other_hangs_and_goes_on(self) -> None:
        hanging = []
        await self.uses("konnectivity")
        for process, other in (
            (self.deployment.server, "socks5"),
            (self.socks, "http"),
            (self.http, "line"),
            (self.line, "direct"),
        ):
            await process.pause()
            hanging.append(process)
            self.assertEqual(other, await self.used())
            self.assertLess(self.took, 10)
        for process in hanging:
            process.resume()
        await self.uses("konnectivity")


class EveryKindHttpConnect(EveryKind):
    mode = "http-connect"
