from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from clustergateway.errors import ClusterUnavailable, GatewayError
from clustergateway.testing.certificates import Authority, Pair
from clustergateway.transport.endpoints.route import ProxyMode

from ..contracts import konnectivity
from ..contracts.konnectivity import MIB, Client, descriptors, until
from .konnectivity_processes import Deployment, listens, missing

reactor: Any = _reactor


class RealGrpcTests(konnectivity.KonnectivityContract):
    """Side by side with the real proxy-server and proxy-agent."""

    skip = missing() or None
    timeout = 300

    async def start(self, ca: Authority, server: Pair) -> int:
        self.deployment = Deployment(reactor, self.directory, self.mode)
        self.deployment.prepare(ca, server)
        self.addCleanup(self.deployment.stop)
        self.deployment.start_server()
        self.deployment.start_agent()
        return self.deployment.port

    def far_connections(self) -> int:
        """How many connections the agent has to the upstream."""
        return connections(self.deployment.agent.pid, self.upstream)

    def own_connections(self) -> int:
        """How many connections there are to the proxy-server from here."""
        return connections(os.getpid(), self.port)

    async def nothing_left(self) -> None:
        await super().nothing_left()
        await until(lambda: self.far_connections() == 0, 15)

    async def test_thousand_sequential_requests(self) -> None:
        before = descriptors()
        for _ in range(1000):
            await self.request()
        await self.nothing_left()
        await until(lambda: descriptors() <= before + 1)
        if self.mode == "grpc":
            self.assertEqual((0, 1), (self.konnectivity.tunnels, self.konnectivity.connections))

    async def test_thousand_sequential_requests_in_one_tunnel(self) -> None:
        client = await self.client()
        for number in range(1000):
            text = b"%04d" % number
            self.assertEqual(text, await client.ask(b"echo " + text, 4))
        client.out.loseConnection()
        await self.nothing_left()

    async def test_hundred_concurrent_requests(self) -> None:
        before = descriptors()
        for _ in range(3):
            await gatherResults([Deferred.fromCoroutine(self.request()) for _ in range(100)])
        await self.nothing_left()
        await until(lambda: descriptors() <= before + 1)

    async def test_a_gigabyte(self) -> None:
        client = await self.client()
        began = reactor.seconds()
        await client.ask(b"get %d" % (1 << 30), 1 << 30)
        took = reactor.seconds() - began
        self.assertEqual(b"done", await client.put(256 * MIB))
        client.out.loseConnection()
        await self.nothing_left()
        print(f"1 GiB in {took:.1f} s, {(1 << 30) / took / 1e6:.0f} MB/s", end=" ")

    async def test_a_stream(self) -> None:
        client = await self.client()
        for number in range(20):
            self.assertEqual(b"%02d" % number, await client.ask(b"echo %02d" % number, 2))
            await deferLater(reactor, 0.05, lambda: None)
        client.out.loseConnection()
        await self.nothing_left()

    async def test_the_agent_is_killed_and_back(self) -> None:
        client = await self.client()
        await self.deployment.agent.kill()
        await client.lost
        await self.refused()
        error = await self.failed(self.route())
        self.assertIsInstance(error, ClusterUnavailable)
        self.assertIn(f"no konnectivity agent is connected for 127.0.0.1:{self.upstream}", str(error))
        self.deployment.start_agent()
        await self.reachable()
        await self.nothing_left()

    async def test_the_server_is_killed_and_back(self) -> None:
        client = await self.client()
        await self.deployment.server.kill()
        await client.lost
        await self.refused()
        self.deployment.start_server()
        await self.reachable()
        await self.nothing_left()

    async def refused(self) -> None:
        began = reactor.seconds()
        try:
            await self.request()
        except GatewayError:
            self.assertLess(reactor.seconds() - began, 15)
        else:
            raise AssertionError("there was an answer")

    async def test_cancelled_dials_leave_nothing(self) -> None:
        for delay in (0, 0.001, 0.002, 0.005, 0.01):
            for _ in range(10):
                dialled = self.client_later()
                await deferLater(reactor, delay, lambda: None)
                dialled.cancel()
                await dialled
        if self.mode == "grpc":
            await self.nothing_left()
        else:
            await until(lambda: not self.own_connections())
        # In http-connect mode proxy-server 0.31 itself forgets some of the connections that its clients hung up on.

    def client_later(self) -> Deferred[None]:
        def close(client: Client) -> None:
            client.out.loseConnection()

        return Deferred.fromCoroutine(self.client()).addCallbacks(close, lambda _: None)

    async def test_a_stranger_is_not_let_in(self) -> None:
        stranger = Authority("stranger").client("cluster-gateway")
        self.write("tls.crt", stranger.certificate)
        self.write("tls.key", stranger.key)
        if self.mode == "grpc":
            # What is open stays open: rotation must not end tunnels.
            await self.request()
            await self.deployment.server.kill()
            await until(lambda: not self.konnectivity.connections)
            self.deployment.start_server()
            await until(lambda: listens(self.deployment.port), 20)
        await self.refused()
        shown = self.ca.client("cluster-gateway")
        self.write("tls.crt", shown.certificate)
        self.write("tls.key", shown.key)
        await self.reachable()


class RealHttpConnectTests(RealGrpcTests):
    """The same in http-connect mode, where each tunnel is a TLS connection of its own."""

    mode: ProxyMode = "http-connect"


def connections(pid: int, port: int) -> int:
    """How many connections a process has to a port on loopback."""
    wanted = set()
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[2] == f"0100007F:{port:04X}" and fields[3] == "01":
                wanted.add(f"socket:[{fields[9]}]")
    folder = f"/proc/{pid}/fd"
    return sum(1 for fd in os.listdir(folder) if _link(os.path.join(folder, fd)) in wanted)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:  # closed in the meantime
        return ""
