"""A hub in memory with Open Cluster Management's APIs, and add-on managers that can be killed at any step."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from clustergateway.addon.hub import Hub
from clustergateway.addon.manager import Manager
from clustergateway.errors import GatewayError, UpstreamTimeout
from clustergateway.kube.client import KubeClient
from clustergateway.kube.connection import Connection
from clustergateway.model.addon import CONFIGURATIONS, addon_types
from clustergateway.model.addoncluster import account_type
from clustergateway.model.addonobjects import DEPLOYMENTS
from clustergateway.model.gateway import ClusterGateway, Endpoint, TokenCredential
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.model.resourcetype import SECRETS, ResourceType
from clustergateway.model.secrets import HEALTHY_ANNOTATION, HEALTHY_REASON_ANNOTATION
from clustergateway.model.status import status
from clustergateway.sandbox.server import SandboxConfig
from clustergateway.testing.apiserver import ADMIN_TOKEN, in_memory
from clustergateway.testing.hub import TestCredentials

from .definitions import hub_definitions

if TYPE_CHECKING:
    from twisted.web.http import Request

Object = dict[str, Any]
OWN = "open-cluster-management-cluster-gateway"
NAMESPACES = ResourceType("", "v1", "namespaces", "Namespace", namespaced=False)
CRDS = ResourceType(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
ACCOUNTS = account_type("v1beta1")


class MortalClient(KubeClient):
    """
    @ivar writes: how many have been sent.
    @ivar dies_after: with this many writes done nothing more happens, C{None}: it lives.
    """

    writes = 0
    dies_after: int | None = None
    dead: Callable[[], None]

    async def raw(self, method: str, path: str, *rest: Any, **more: Any) -> bytes:
        if method != "GET":
            if self.dies_after is not None and self.writes >= self.dies_after:
                self.dead()
                await Deferred[None]()  # for ever
            self.writes += 1
        return await super().raw(method, path, *rest, **more)


class GatewayStub:
    """
    The aggregated API, as the prober sees it.

    @ivar healthy: name of a ClusterGateway -> whether its cluster answers.
    @ivar written: what was written to its health.
    @ivar unroutable: name -> why the gateway does not route to it.
    @ivar answers: name -> code and body of the answer to a probe, where it is not the usual one.
    @ivar probes: which cluster was asked, each time.
    """

    def __init__(self) -> None:
        self.healthy: dict[str, bool] = {}
        self.written: dict[str, Object] = {}
        self.unroutable: dict[str, str] = {}
        self.answers: dict[str, tuple[int, Any]] = {}
        self.probes: list[str] = []
        self.away = False

    def before(self, request: Request) -> bool:
        """For L{ApiServer.before}."""
        path = request.uri.decode()
        prefix = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/"
        if not path.startswith(prefix):
            return False
        name, _, rest = path.removeprefix(prefix).partition("/")
        if self.away:
            self._answer(request, 503, {"kind": "Status", "message": "service unavailable"})
        elif name not in self.healthy:
            self._answer(request, 404, {"kind": "Status", "message": "not found"})
        elif rest == "health":
            assert request.content is not None
            self.written[name] = json.loads(request.content.read())["status"]
            self._answer(request, 200, {})
        elif rest == "proxy/healthz":
            self.probes.append(name)
            refusal = status(UpstreamTimeout("no connection within 10 s", cluster=name, hop="connect"))
            usual = (200, "ok") if self.healthy[name] else (504, refusal)
            self._answer(request, *self.answers.get(name, usual))
        else:
            self._answer(request, 200, self._shown(name))
        return True

    def _shown(self, name: str) -> Object:
        """Its status is what everybody knows of it together; its own health is in the annotations."""
        own = self.written.get(name, {})
        annotations = {}
        if own:
            annotations = {HEALTHY_ANNOTATION: str(own["healthy"]).lower()}
            annotations[HEALTHY_REASON_ANNOTATION] = own["healthyReason"]
        shown: Object = {"unroutable": self.unroutable[name]} if name in self.unroutable else {}
        return {"metadata": {"name": name, "annotations": annotations}, "status": shown}

    def _answer(self, request: Request, code: int, body: Any) -> None:
        request.setResponseCode(code)
        request.setHeader("Content-Type", "application/json")
        request.write(body.encode() if isinstance(body, str) else json.dumps(body).encode())
        request.finish()


class World:
    """
    @ivar versions: of the add-on API.
    """

    def __init__(self, *versions: str, install_definitions: bool = True) -> None:
        self.server = in_memory(SandboxConfig(name="hub", controllers=False))
        self.clock: Clock = self.server.clock
        self.gateway = GatewayStub()
        self.server.server.before.append(self.gateway.before)
        self.versions = versions or ("v1alpha1",)
        self.types = addon_types(self.versions[0])
        self.client = self.make_client()
        self.managers: list[Manager] = []
        self.clients: list[MortalClient] = []
        if install_definitions:
            self.define()
        self.create(NAMESPACES, {"metadata": {"name": OWN}})

    def define(self) -> None:
        for definition in hub_definitions(*self.versions):
            self.create(CRDS, definition)

    def make_client(self) -> MortalClient:
        cluster = ClusterGateway("hub", (Endpoint("kubernetes.test", 443),), TokenCredential(ADMIN_TOKEN))
        connection = Connection(lambda: cluster, TestCredentials(ADMIN_TOKEN), lambda *_: (self.server.agent, None))
        return MortalClient(connection, self.clock)

    # Managers.

    def manager(self, dies_after: int | None = None, seconds: float = 10.0) -> Manager:
        """A new one, at work for so long already."""
        client = self.make_client()
        manager = Manager(Hub(client, self.clock, lambda: 0.0, OWN))
        client.dies_after, client.dead = dies_after, lambda: self.clock.callLater(0, manager.stop)  # type: ignore[assignment]
        self.managers.append(manager)
        self.clients.append(client)
        manager.start()
        self.settle(seconds)
        return manager

    def settle(self, seconds: float = 10.0, step: float = 1.0) -> None:
        """Let everything happen that happens within that time."""
        self.server.flush()
        for _ in range(int(seconds / step)):
            self.server.flush(step)
            self.server.flush()

    def stop(self) -> None:
        for manager in self.managers:
            manager.stop()
        self.server.flush()
        self.server.server.stop()
        self.server.flush()

    # What people and Open Cluster Management do.

    def wait(self, work: Any) -> Any:
        """The result of something that needs nothing but the server."""
        results: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        for _ in range(10):
            if results:
                break
            self.server.flush()
        if not results:
            raise AssertionError("the server did not answer")
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def create(self, kind: ResourceType, content: Object) -> Object:
        typed = {"apiVersion": kind.api_version, "kind": kind.kind, **content}
        made: Object = self.wait(self.client.create(kind, typed, content["metadata"].get("namespace", "")))
        return made

    def get(self, kind: ResourceType, name: str, namespace: str = "") -> Object | None:
        try:
            found: Object = self.wait(self.client.get(kind, name, namespace))
        except GatewayError as error:
            if error.code == 404:
                return None
            raise
        return found

    def need(self, kind: ResourceType, name: str, namespace: str = "") -> Object:
        found = self.get(kind, name, namespace)
        assert found is not None, f"there is no {kind.kind} {namespace}/{name}"
        return found

    def every(self, kind: ResourceType, namespace: str = "") -> list[Object]:
        found: list[Object] = self.wait(self.client.list(kind, namespace))[0]
        return found

    def names(self, kind: ResourceType, namespace: str = "") -> list[str]:
        return sorted(each["metadata"]["name"] for each in self.every(kind, namespace))

    def patch(self, kind: ResourceType, name: str, change: Object, namespace: str = "", sub: str = "") -> None:
        self.wait(self.client.patch(kind, name, namespace, change, subresource=sub))

    def delete(self, kind: ResourceType, name: str, namespace: str = "") -> None:
        self.wait(self.client.delete(kind, name, namespace))

    def install(self, **spec: Any) -> None:
        """The ClusterManagementAddOn and its configuration."""
        self.create(CONFIGURATIONS, {"metadata": {"name": "cluster-gateway"}, "spec": {"image": "gateway:1", **spec}})
        named = {
            "crdName": "clustergatewayconfigurations.proxy.open-cluster-management.io",
            "crName": "cluster-gateway",
        }
        defaults = {"group": CONFIGURATIONS.group, "resource": CONFIGURATIONS.resource, "name": "cluster-gateway"}
        old = self.versions[0] == "v1alpha1"
        self.create(
            self.types.cluster_addons,
            {
                "metadata": {"name": "cluster-gateway"},
                "spec": {"addOnConfiguration": named} if old else {"defaultConfigs": [defaults]},
            },
        )

    def join(self, name: str, token: str = "t1", addon: bool = True) -> None:
        """A cluster is registered, and its agent sends the token of its service account, if there is one."""
        self.create(NAMESPACES, {"metadata": {"name": name}})
        self.create(
            MANAGED_CLUSTERS,
            {
                "metadata": {"name": name},
                "spec": {
                    "hubAcceptsClient": True,
                    "managedClusterClientConfigs": [{"url": f"https://{name}.test:6443"}],
                },
            },
        )
        if addon:
            self.enable(name)
        self.send_token(name, token)

    def enable(self, name: str) -> None:
        self.create(self.types.managed_addons, {"metadata": {"name": "cluster-gateway", "namespace": name}, "spec": {}})

    def send_token(self, name: str, token: str, account: str = "cluster-gateway") -> None:
        """Makes or rotates it."""
        data = {"ca.crt": encoded("CA"), "token": encoded(token)}
        if self.get(SECRETS, account, name) is None:
            self.create(SECRETS, {"metadata": {"name": account, "namespace": name}, "data": data})
        else:
            self.patch(SECRETS, account, {"data": data}, name)

    def leave(self, name: str) -> None:
        """As OCM detaches a cluster: its add-ons go first."""
        self.delete(self.types.managed_addons, "cluster-gateway", name)
        self.delete(MANAGED_CLUSTERS, name)

    def roll_out(self, namespace: str = "vela-system", **status: Any) -> None:
        """
        As the Deployment's controller reports that all pods are as they should be.

        @param status: what it reports otherwise.
        """
        found = self.need(DEPLOYMENTS, "gateway-deployment", namespace)
        replicas = found["spec"]["replicas"]
        said = {
            "observedGeneration": found["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
            "conditions": [{"type": "Available", "status": "True"}],
        }
        self.patch(DEPLOYMENTS, "gateway-deployment", {"status": {**said, **status}}, namespace, "status")
        self.settle()

    def condition(self, content: Mapping[str, Any] | None, type: str) -> tuple[str, str]:
        """Status and reason."""
        assert content is not None
        for each in content.get("status", {}).get("conditions", ()):
            if each["type"] == type:
                return each["status"], each["reason"]
        return "", ""

    def configured(self, type: str = "ClusterGatewayDeployed") -> tuple[str, str]:
        return self.condition(self.get(CONFIGURATIONS, "cluster-gateway"), type)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
