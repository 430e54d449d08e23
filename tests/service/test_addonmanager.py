from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addonobjects import DEPLOYMENTS
from clustergateway.model.resourcetype import LEASES
from clustergateway.service.addonmanager import AddonManagerService, Options

from ..addon.world import OWN, World


def options(*arguments: str) -> Options:
    parsed = Options()
    parsed.parseOptions(["--health-port=0", f"--namespace={OWN}", *arguments])
    return parsed


class OptionsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        parsed = Options()
        parsed.parseOptions([])
        self.assertEqual((parsed.probe_interval, parsed.health_port), (60.0, 8081))

    def test_what_cannot_be(self) -> None:
        for argument in ("--probe-interval=x", "--probe-interval=0", "--probe-interval=nan", "--health-port=70000"):
            with self.assertRaises(UsageError):
                options(argument)


class LeaderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.stop)
        self.world.install()
        self.services: list[AddonManagerService] = []
        self.addCleanup(self.stop_all)

    def stop_all(self) -> None:
        for service in self.services:
            self.stop(service)

    def start(self, name: str) -> AddonManagerService:
        service = AddonManagerService(options(f"--identity={name}"), self.world.make_client(), self.world.clock)
        service.startService()
        self.services.append(service)
        self.world.settle()
        return service

    def stop(self, service: AddonManagerService) -> None:
        done: list[Any] = []
        service.stopService().addBoth(done.append)
        for _ in range(10):
            self.world.server.flush()
        self.assertEqual(done, [None])

    def holder(self) -> str:
        holder: str = self.world.need(LEASES, "cluster-gateway-addon-manager", OWN)["spec"]["holderIdentity"]
        return holder

    def test_one_of_two_leads(self) -> None:
        one, two = self.start("one"), self.start("two")
        self.assertEqual((one.election.leading, two.election.leading, self.holder()), (True, False, "one"))
        self.assertEqual((one.state(), two.state()), ("leading", "another process leads, or the Lease cannot be had"))
        self.assertEqual(self.world.configured(), ("True", "Deployed"))

    def test_the_other_follows(self) -> None:
        one = self.start("one")
        self.start("two")
        self.stop(self.services.pop(0))
        self.assertFalse(one.election.leading)
        self.world.settle()
        self.assertEqual(self.holder(), "two")
        self.world.delete(DEPLOYMENTS, "gateway-deployment", "vela-system")
        self.world.settle()
        self.assertIsNotNone(self.world.get(DEPLOYMENTS, "gateway-deployment", "vela-system"))

    def test_one_that_lost_the_lease_does_nothing_more(self) -> None:
        one = self.start("one")
        taken = {"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600}}
        self.world.patch(LEASES, "cluster-gateway-addon-manager", taken, OWN)
        self.world.settle()
        self.assertFalse(one.election.leading)
        self.world.delete(DEPLOYMENTS, "gateway-deployment", "vela-system")
        self.world.settle(30)
        self.assertIsNone(self.world.get(DEPLOYMENTS, "gateway-deployment", "vela-system"))


class HealthTests(SynchronousTestCase):
    def test_port(self) -> None:
        world = World()
        self.addCleanup(world.stop)
        reactor = MemoryReactorClock()
        parsed = options("--health-port=8081", "--health-address=127.0.0.1")
        service = AddonManagerService(parsed, world.make_client(), reactor)
        service.startService()
        port, factory, _, address = reactor.tcpServers[0]
        self.assertEqual((port, address), (8081, "127.0.0.1"))
        for path, expected in (("/healthz", b"200 OK"), ("/readyz?verbose", b"ok: "), ("/x", b"404")):
            protocol: Any = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
            transport = StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            self.assertIn(expected, transport.value())
        stopped: Deferred[None] = service.stopService()
        self.assertIsNotNone(stopped)
