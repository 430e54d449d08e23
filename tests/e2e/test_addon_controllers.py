"""The add-on's controllers against kube-apiserver and etcd: what only a real one does, and a clock that is moved."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor as _reactor
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from clustergateway.addon.hub import Hub
from clustergateway.addon.manager import Manager
from clustergateway.errors import AlreadyExists, GatewayError, NotFound
from clustergateway.kube.connection import Connection, connector
from clustergateway.model.addon import CONFIGURATIONS, addon_types
from clustergateway.model.addonobjects import API_SERVICE, API_SERVICES, DEPLOYMENTS
from clustergateway.model.gateway import CertificateCredential, ClusterGateway, Endpoint
from clustergateway.model.manifestwork import MANIFEST_WORKS
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.model.resourcetype import LEASES, SECRETS, ResourceType
from clustergateway.model.x509 import DAY, issued_by
from clustergateway.service.addonmanager import AddonManagerService, Options
from clustergateway.testing.hub import TestCredentials, TestEntry

from ..addon.definitions import hub_definitions
from ..addon.world import ACCOUNTS, CRDS, NAMESPACES, OWN, MortalClient, encoded
from ..contracts.real import RealWorld, _running

reactor: Any = _reactor
TYPES = addon_types("v1alpha1")
ADDON = "cluster-gateway"
Object = dict[str, Any]


class MovedClock:
    """The reactor's, ahead of its time."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def seconds(self) -> float:
        return float(reactor.seconds()) + self.ahead

    def callLater(self, delay: float, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return reactor.callLater(delay, function, *arguments, **named)


class RealTestCase(TestCase):
    timeout = 150

    async def setUp(self) -> None:  # type: ignore[override]
        await RealWorld().start()
        self.clients: list[MortalClient] = []
        self.managers: list[Manager] = []
        self.clock = MovedClock()
        self.client = self.make_client()
        for definition in hub_definitions():
            await self.present(CRDS, definition)
        await self.until(self.served, "the definitions are served")
        for name in (OWN, "east"):
            await self.present(NAMESPACES, {"metadata": {"name": name}})

    async def tearDown(self) -> None:  # type: ignore[override]
        """Have a manager take everything away."""
        manager = self.manager()
        for kind, name, namespace in (
            (TYPES.managed_addons, ADDON, "east"),
            (MANAGED_CLUSTERS, "east", ""),
            (CONFIGURATIONS, ADDON, ""),
            (TYPES.cluster_addons, ADDON, ""),
            (SECRETS, ADDON, "east"),
        ):
            await self.absent(kind, name, namespace)
        await self.until(lambda: self.lacks(CONFIGURATIONS, ADDON), "the configuration may go")
        await self.until(lambda: self.lacks(TYPES.cluster_addons, ADDON), "the add-on may go")
        left = [each for kind in (DEPLOYMENTS, ACCOUNTS, MANIFEST_WORKS) for each in await self.every(kind)]
        manager.stop()
        # Connections that are busy when their client closes would stay.
        await task.deferLater(reactor, 0.2)
        for client in self.clients:
            await client.close()
        self.assertEqual(left, [])

    def make_client(self) -> MortalClient:
        server = _running[0]
        where = urlsplit(server.url)
        endpoint = Endpoint(where.hostname or "", where.port or 443, ca=server.authority.certificate)
        pair = server.admin
        cluster = ClusterGateway("hub", (endpoint,), CertificateCredential(pair.certificate, pair.key))
        credentials = TestCredentials()
        credentials.current = TestEntry("", pair.certificate, pair.key)
        client = MortalClient(Connection(lambda: cluster, credentials, connector(reactor)), reactor)
        self.clients.append(client)
        return client

    def manager(self, dies_after: int | None = None) -> Manager:
        client = self.make_client()
        clock: Any = self.clock
        manager = Manager(Hub(client, clock, lambda: 0.0, OWN), probe_interval=3600)
        client.dies_after = dies_after
        client.dead = lambda: reactor.callLater(0, manager.stop)
        self.managers.append(manager)
        self.addCleanup(manager.stop)
        manager.start()
        return manager

    async def present(self, kind: ResourceType, content: Object) -> None:
        typed = {"apiVersion": kind.api_version, "kind": kind.kind, **content}
        try:
            await self.client.create(kind, typed, content["metadata"].get("namespace", ""))
        except AlreadyExists:
            pass

    async def absent(self, kind: ResourceType, name: str, namespace: str) -> None:
        try:
            await self.client.delete(kind, name, namespace)
        except NotFound:
            pass

    async def served(self) -> bool:
        kinds = (CONFIGURATIONS, MANAGED_CLUSTERS, TYPES.cluster_addons, TYPES.managed_addons, ACCOUNTS, MANIFEST_WORKS)
        try:
            for kind in kinds:
                await self.client.list(kind)
        except GatewayError:
            return False
        return True

    async def every(self, kind: ResourceType) -> list[Object]:
        """But for what other tests, which share the server, have in their own namespaces."""
        found = (await self.client.list(kind))[0]
        return [each for each in found if not each["metadata"].get("namespace", "").startswith("contract-")]

    async def lacks(self, kind: ResourceType, name: str, namespace: str = "") -> bool:
        try:
            await self.client.get(kind, name, namespace)
        except NotFound:
            return True
        return False

    async def until(self, true: Callable[[], Awaitable[bool]], what: str) -> None:
        for _ in range(400):
            if await true():
                return
            await task.deferLater(reactor, 0.1)
        problems = [each.problem for each in self.managers]
        raise AssertionError(f"not in time: {what}; managers: {problems}")

    async def install(self, **spec: Any) -> None:
        await self.present(CONFIGURATIONS, {"metadata": {"name": ADDON}, "spec": {"image": "gateway:1", **spec}})
        await self.present(TYPES.cluster_addons, {"metadata": {"name": ADDON}, "spec": {}})

    async def join(self) -> None:
        await self.present(MANAGED_CLUSTERS, {"metadata": {"name": "east"}, "spec": {"hubAcceptsClient": True}})
        await self.present(TYPES.managed_addons, {"metadata": {"name": ADDON, "namespace": "east"}, "spec": {}})
        data = {"ca.crt": encoded("CA"), "token": encoded("t1")}
        await self.present(SECRETS, {"metadata": {"name": ADDON, "namespace": "east"}, "data": data})

    async def deployed(self) -> bool:
        try:
            found = await self.client.get(CONFIGURATIONS, ADDON)
        except NotFound:
            return False
        generation = found["metadata"]["generation"]
        return any(
            (each["type"], each["status"], each["observedGeneration"]) == ("ClusterGatewayDeployed", "True", generation)
            for each in found.get("status", {}).get("conditions", ())
        )

    async def registered(self) -> bool:
        return not await self.lacks(SECRETS, "east", "vela-system")

    async def data(self, name: str, key: str, namespace: str = "vela-system") -> bytes:
        return base64.b64decode((await self.client.get(SECRETS, name, namespace))["data"][key])

    async def bundle(self) -> bytes:
        return base64.b64decode((await self.client.get(API_SERVICES, API_SERVICE))["spec"]["caBundle"])


class ControllerTests(RealTestCase):
    async def test_rotation_with_the_clock_moved(self) -> None:
        await self.install()
        self.manager()
        await self.until(self.deployed, "it is installed")
        serving, bundle = await self.data("cluster-gateway-tls-cert", "tls.crt"), await self.bundle()
        for days, authorities in ((150, 1), (1500, 2)):
            self.clock.ahead = days * DAY
            self.managers[-1].stop()
            self.manager()

            async def rotated(known: bytes = serving) -> bool:
                return await self.data("cluster-gateway-tls-cert", "tls.crt") != known

            await self.until(rotated, "the serving certificate is another one")
            serving = await self.data("cluster-gateway-tls-cert", "tls.crt")
            self.assertEqual((await self.bundle()).count(b"BEGIN CERTIFICATE"), authorities)
            self.assertTrue(issued_by(serving, await self.bundle()))
            self.assertTrue((await self.bundle()).endswith(bundle))
        self.clock.ahead = 0

    async def test_token_rotated(self) -> None:
        await self.install()
        self.manager()
        await self.join()
        await self.until(self.registered, "east is registered")
        await self.client.patch(SECRETS, ADDON, "east", {"data": {"token": encoded("t2")}})

        async def copied() -> bool:
            return await self.data("east", "token") == b"t2"

        await self.until(copied, "the fresh token is copied")

    async def test_storm_of_conflicts(self) -> None:
        """Somebody else writes the same objects all the time."""
        await self.install()
        await self.join()
        stirring = task.LoopingCall(lambda: Deferred.fromCoroutine(self.stir()))
        done = stirring.start(0.02)
        self.manager()
        try:
            await self.until(self.deployed, "it is installed in spite of it")
            await self.until(self.registered, "and east is registered")
            await self.until(self.stirred_much, "it was a storm")
            await self.until(self.deployed, "it is installed still")
        finally:
            stirring.stop()
            await done

    stirred = 0

    async def stirred_much(self) -> bool:
        return self.stirred > 30

    async def stir(self) -> None:
        self.stirred += 1
        change = {"metadata": {"annotations": {"stirred": str(self.stirred)}}}
        for kind, namespace in ((CONFIGURATIONS, ""), (TYPES.cluster_addons, ""), (TYPES.managed_addons, "east")):
            await self.client.patch(kind, ADDON, namespace, change)

    async def test_killed_again_and_again(self) -> None:
        """Each manager dies one write later than the one before: no duplicate, no leak, and at the end all is there."""
        await self.install()
        await self.join()
        for step in range(1, 24, 2):
            manager = self.manager(dies_after=step)
            client = self.clients[-1]

            async def over(client: MortalClient = client, manager: Manager = manager, step: int = step) -> bool:
                settled = await self.deployed() and await self.registered()
                return client.writes >= step or settled or manager.problem == "stopped"

            await self.until(over, f"the manager of {step} writes is dead or done")
            manager.stop()
        self.manager()
        await self.until(self.deployed, "it is installed")
        await self.until(self.registered, "east is registered")
        for kind in (DEPLOYMENTS, ACCOUNTS, MANIFEST_WORKS):
            self.assertEqual(len(await self.every(kind)), 1, kind.kind)

    async def test_another_s_deployment_in_the_way(self) -> None:
        container = {"name": "old", "image": "old"}
        template = {"metadata": {"labels": {"old": "yes"}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"old": "yes"}}, "template": template}
        await self.present(NAMESPACES, {"metadata": {"name": "vela-system"}})
        metadata = {"name": "gateway-deployment", "namespace": "vela-system"}
        await self.present(DEPLOYMENTS, {"metadata": metadata, "spec": spec})
        await self.install()
        self.manager()
        await self.until(self.deployed, "it is installed")
        found = await self.client.get(DEPLOYMENTS, "gateway-deployment", "vela-system")
        self.assertEqual([each["name"] for each in found["spec"]["template"]["spec"]["containers"]], ["gateway"])

    async def test_two_managers_one_leader(self) -> None:
        await self.install()
        services = []
        for name in ("one", "two"):
            options = Options()
            options.parseOptions(["--health-port=0", f"--namespace={OWN}", f"--identity={name}"])
            service = AddonManagerService(options, self.make_client(), reactor)
            services.append(service)
            await service.startService()
        await self.until(self.deployed, "it is installed")
        self.assertEqual(sorted(each.election.leading for each in services), [False, True])
        leader, other = sorted(services, key=lambda each: not each.election.leading)
        await leader.stopService()

        async def followed() -> bool:
            return other.election.leading

        await self.until(followed, "the other follows")
        self.assertIn(
            (await self.client.get(LEASES, "cluster-gateway-addon-manager", OWN))["spec"]["holderIdentity"],
            ("one", "two"),
        )
        await other.stopService()

    async def test_validation(self) -> None:
        """The definition's schema refuses what could not be used."""
        for spec in (
            {},
            {"image": ""},
            {"image": "x", "installNamespace": "No Namespace"},
            {"image": "x", "secretManagement": {"type": "Else"}},
            {"image": "x", "egress": {"type": "ClusterProxy"}},
            {"image": "x", "egress": {"type": "ClusterProxy", "clusterProxy": {}}},
            {"image": "x", "clusterProfiles": {"server": "http://plain"}},
        ):
            content = {"apiVersion": CONFIGURATIONS.api_version, "kind": CONFIGURATIONS.kind, "spec": spec}
            with self.assertRaises(GatewayError) as refused:
                await self.client.create(CONFIGURATIONS, {**content, "metadata": {"name": "refused"}})
            self.assertEqual(refused.exception.code, 422, spec)
