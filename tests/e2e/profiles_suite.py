"""ClusterProfiles as source and as destination, with real processes on both ends."""

from __future__ import annotations

import json
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from ..contracts.hub_processes import KUBECTL, PATH, SECONDS, Gateway, environment, eventually
from .addon_suite import ADDON, CONFIGURATION
from .profiles import Inventory, PublisherWorld, SourceWorld

LISTED = "ConfigMapList"
CONFIG_MAPS = ("get", "configmaps", "-n", "default")
OTHER = {"name": "other", "cluster": {"server": "https://elsewhere.test"}}
WAIT = 15
"""Seconds within which a gateway sees that the hub serves what it did not, and some to spare."""


class SourceLifecycle(SynchronousTestCase):
    """One story: what is entered is routed, what changes takes effect, what is removed is gone."""

    world: SourceWorld
    inventory: Inventory

    def make_world(self) -> SourceWorld:
        raise NotImplementedError

    def setUp(self) -> None:
        self.world = self.make_world()
        self.addCleanup(self.world.close)
        self.inventory = self.world.inventory

    def answer(self, name: str, gateway: Gateway | None = None) -> str:
        """
        What comes of listing something of the cluster.

        @param gateway: asked directly instead of through the hub.
        """
        world = self.world
        caller = world.caller() if gateway is None else world.direct(gateway, world.who("admin"))
        try:
            code, body = caller.call("GET", f"{PATH}/clustergateways/{name}/proxy/api/v1/namespaces/default/configmaps")
        finally:
            caller.close()
        return str(body["kind"]) if code == 200 else f"{code} {body}"

    def everywhere(self, name: str, expected: str, seconds: float = SECONDS) -> None:
        """Through the hub, and through the gateway without memory."""
        for gateway in (None, self.world.uncached):
            where = "the hub" if gateway is None else gateway.name
            try:
                eventually(lambda g=gateway: expected in self.answer(name, g), f"{name} is {expected}", seconds)  # type: ignore[misc]
            except AssertionError as error:
                raise AssertionError(f"{where}: {error}: {self.answer(name, gateway)}") from None

    def test_it(self) -> None:
        self.without_the_api()
        self.appears()
        self.changes()
        self.secret_counts_more()
        self.cannot_be_used()
        self.goes()

    def without_the_api(self) -> None:
        """Both are ready, and say what the hub lacks."""
        for gateway in (self.world.gateway, self.world.uncached):
            caller = self.world.direct(gateway, self.world.who("admin"))
            code, text = caller.call("GET", "/readyz?verbose")
            caller.close()
            self.assertEqual(code, 200, text)
            self.assertIn("does not serve multicluster.x-k8s.io/v1alpha1 yet", text)
        self.assertIn('clustergateways.cluster.core.oam.dev "north" not found', self.answer("north"))
        self.assertIn(
            'clustergateways.cluster.core.oam.dev "north" not found', self.answer("north", self.world.uncached)
        )

    def appears(self) -> None:
        self.inventory.define()
        self.inventory.enter("north", OTHER, self.world.access())
        self.inventory.enter("unreachable", OTHER)
        self.everywhere("north", LISTED, WAIT + SECONDS)
        names = self.world.must("get", "clustergateways", "-o", "name").out.split()
        self.assertEqual([name.rpartition("/")[2] for name in names], ["east", "north"])
        found = self.world.get("clustergateway", "north")
        self.assertEqual(found["spec"]["access"]["endpoint"]["const"]["address"], self.world.managed.url)
        self.assertNotIn("PRIVATE KEY", json.dumps(found))

    def changes(self) -> None:
        """Of whom the gateway is there, and of where it is."""
        watching = self.world.follow("get", "clustergateways", "-w", "-o", "jsonpath={.metadata.name}{'\\n'}")
        self.addCleanup(watching.stop)
        watching.until("north")
        self.inventory.enter("north", self.world.access("jane"))
        self.everywhere("north", 'User "jane" cannot list resource "configmaps"')
        watching.until("north", 2)
        self.inventory.enter("north", self.world.access(server="https://127.0.0.1:1"))
        self.everywhere("north", "connect")
        self.inventory.enter("north", self.world.access())
        self.everywhere("north", LISTED)

    def secret_counts_more(self) -> None:
        self.world.add_cluster("north", endpoint="https://127.0.0.1:1")
        self.everywhere("north", "connect")
        self.world.must("delete", "secret", "north", "-n", "vela-system")
        self.everywhere("north", LISTED)

    def cannot_be_used(self) -> None:
        """It is listed with the reason, and not routed to."""
        self.inventory.enter("north", self.world.access(server="http://plain.test"))
        self.everywhere("north", "https")
        self.assertIn("https", self.world.get("clustergateway", "north")["status"]["unroutable"])
        self.inventory.enter("north", self.world.access())
        self.everywhere("north", LISTED)

    def goes(self) -> None:
        self.inventory.enter("north", OTHER)
        self.everywhere("north", 'clustergateways.cluster.core.oam.dev "north" not found')
        self.inventory.enter("north", self.world.access())
        self.everywhere("north", LISTED)
        self.inventory.remove("north")
        self.everywhere("north", 'clustergateways.cluster.core.oam.dev "north" not found')
        eventually(lambda: self.world.kubectl("get", "clustergateway", "north").code != 0, "north is not listed")
        self.assertEqual(self.answer("east"), LISTED)


class PublisherLifecycle(SynchronousTestCase):
    """One story: access is published once a cluster has it, can be used as it stands, and is taken back."""

    world: PublisherWorld
    inventory: Inventory

    def make_world(self) -> PublisherWorld:
        raise NotImplementedError

    def setUp(self) -> None:
        self.world = self.make_world()
        self.addCleanup(self.world.close)
        self.inventory = self.world.inventory

    def published(self, name: str, *expected: str) -> None:
        def there() -> bool:
            return sorted(self.inventory.providers(name)) == sorted(expected)

        try:
            eventually(there, f"{name} has {expected}")
        except AssertionError as error:
            log = self.world.managers[-1].log[-3000:]
            raise AssertionError(f"{error}: {self.inventory.providers(name)}\n{log}") from None

    def configure(self, publication: object) -> None:
        change = json.dumps({"spec": {"clusterProfiles": publication}})
        self.world.must("patch", *CONFIGURATION, "--type=merge", "-p", change)

    def test_it(self) -> None:
        self.install()
        self.used()
        self.comes_and_goes_with_the_configuration()
        self.leaves()

    def install(self) -> None:
        world = self.world
        for name in ("east", "west"):
            self.inventory.enter(name, OTHER)
        self.configure(world.publication())
        world.start_manager()
        world.wait_for("True Deployed", "ClusterGatewayDeployed", *CONFIGURATION)
        world.run_deployment()
        world.wait_until_available()
        world.join("east")
        world.do_work("east")
        world.send_token("east")
        world.wait_for("True SuccessfullyProbedHealthz", "Available", *ADDON)
        self.published("east", "cluster-gateway", "other")
        self.published("west", "other")

    def used(self) -> None:
        """By somebody who knows the profile, and has a credential of the hub."""
        path = self.world.through(self.inventory.providers("east")["cluster-gateway"])
        assert KUBECTL is not None
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", path, *CONFIG_MAPS, "-o", "name"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment(self.world.folder),
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def comes_and_goes_with_the_configuration(self) -> None:
        self.configure(None)
        self.published("east", "other")
        self.configure(self.world.publication())
        self.published("east", "cluster-gateway", "other")
        moved = {**self.world.publication(), "server": "https://moved.test"}
        self.configure(moved)
        eventually(
            lambda: self.inventory.providers("east")["cluster-gateway"]["server"].startswith("https://moved.test/"),
            "another address is published",
        )

    def leaves(self) -> None:
        """The ones of others stay, always; a profile that comes later is told too."""
        self.inventory.remove("east")
        self.inventory.enter("east")
        self.published("east", "cluster-gateway")
        self.inventory.patch_status("west", json.dumps({"status": {"accessProviders": [OTHER]}}))
        self.world.leave("east")
        self.published("east")
        self.published("west", "other")
