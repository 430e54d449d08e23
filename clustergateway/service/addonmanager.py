"""C{twistd cluster-gateway-addon-manager}: of several such processes one leads, installs gateways, looks after them."""

from __future__ import annotations

import platform
import random
import uuid
from typing import Any, cast

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python import usage
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from ..addon.hub import Hub as AddonHub
from ..addon.manager import Manager
from ..errors import ConfigurationError
from ..kube.address import own_namespace
from ..kube.client import KubeClient
from ..kube.lease import LeaderElection
from .gateway import environment
from .hub import Hub
from .maker import Process

USER_AGENT = "cluster-gateway-addon-manager"
NAMESPACE = "open-cluster-management-cluster-gateway"


class Options(usage.Options):
    """
    @ivar probe_interval: seconds, once C{parseOptions} has returned; likewise C{health_port}.
    """

    optParameters = [
        ["kubeconfig", None, "", "Kubeconfig of the hub; without it the pod's service account."],
        ["namespace", None, "", f"The add-on manager's own namespace; by default the pod's, or {NAMESPACE}."],
        ["lease-name", None, "cluster-gateway-addon-manager", "Lease whose holder is the one that works."],
        ["identity", None, "", "Who holds the Lease; by default a name that no other process has."],
        ["probe-interval", None, "60", "Seconds between two probes of a cluster."],
        ["health-port", None, "8081", "Port of /healthz and /readyz, plain HTTP; 0 for none."],
        ["health-address", None, "0.0.0.0", "Address of that port."],  # noqa: S104 - kubelet comes from outside
        ["user-agent", None, USER_AGENT, "User-Agent of requests to the hub."],
    ]

    probe_interval: float
    health_port: int

    def postOptions(self) -> None:
        try:
            self.probe_interval = float(self["probe-interval"])
            self.health_port = int(self["health-port"])
        except ValueError:
            raise usage.UsageError("--probe-interval and --health-port must be numbers") from None
        if not 1 <= self.probe_interval <= 86400:
            raise usage.UsageError("--probe-interval must be from 1 to 86400 seconds")
        if not 0 <= self.health_port < 65536:
            raise usage.UsageError("--health-port must be a port number")


def makeService(options: Options, reactor: Any = None) -> IService:
    """
    @param reactor: C{None}: the one that is installed.
    @raise SystemExit: the configuration cannot be used; says why.
    """
    if reactor is None:
        from twisted.internet import reactor  # noqa: TID251 - twistd has none to give
    try:
        hub = Hub(reactor, options["kubeconfig"], options["user-agent"], environment())
        service = AddonManagerService(options, hub.client(), reactor)
    except ConfigurationError as error:
        raise SystemExit(f"cluster-gateway-addon-manager: {error.message}") from None
    return Process(cast("Any", service), reactor)


class AddonManagerService(Service):
    """
    @ivar election: who leads.
    @ivar port: of C{/healthz}, C{None} for none.
    """

    _log = Logger()

    def __init__(self, options: Options, client: KubeClient, reactor: Any) -> None:
        namespace = options["namespace"] or own_namespace() or NAMESPACE
        self._client = client
        self._reactor = reactor
        self._health_port, self._health_address = options.health_port, options["health-address"]
        self._hub = AddonHub(client, reactor, random.random, namespace)
        self._probe_interval = options.probe_interval
        self._manager: Manager | None = None
        self.port: IListeningPort | None = None
        self.election = LeaderElection(
            client,
            reactor,
            random.random,
            namespace,
            options["lease-name"],
            options["identity"] or f"{platform.node()}_{uuid.uuid4()}",
            self._lead,
            self._follow,
        )

    def startService(self) -> Deferred[None]:
        """
        @return: fires at once: whether the hub answers is seen later.
        """
        super().startService()
        if self._health_port:
            site = Site(_Health(self), reactor=self._reactor)
            site.noisy = False
            self.port = self._reactor.listenTCP(self._health_port, site, interface=self._health_address)
        self.election.start()
        self._log.info("the add-on manager runs")
        return succeed(None)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._follow()
        await self.election.stop()
        if self.port is not None:
            await maybeDeferred(self.port.stopListening)
        # A connection goes back to where it is kept one turn after its answer is read.
        await deferLater(self._reactor, 0)
        await self._client.close()

    def _lead(self) -> None:
        self._manager = Manager(self._hub, self._probe_interval)
        self._manager.start()

    def _follow(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.stop()

    def state(self) -> str:
        """A sentence for whoever looks."""
        if self._manager is None:
            return "another process leads, or the Lease cannot be had"
        return self._manager.problem or "leading"


class _Health(Resource):
    """C{/healthz} and C{/readyz}: the process answers. What it does not manage to do is in the objects' conditions."""

    isLeaf = True

    def __init__(self, service: AddonManagerService) -> None:
        super().__init__()
        self._service = service

    def render_GET(self, request: Request) -> bytes:
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        if request.path not in (b"/healthz", b"/livez", b"/readyz"):
            request.setResponseCode(404)
            return b"not found\n"
        return f"ok: {self._service.state()}\n".encode() if request.uri.endswith(b"?verbose") else b"ok\n"
