"""
Contracts: streams of pods through the hub, by the conversations of L{tests.e2e.test_kubectl_streams}. No kubelet runs
here, so the cluster with the pods is an in-memory one, whatever the hub is.
"""

from __future__ import annotations

from typing import ClassVar

from tests.lines import logged

from ..e2e.test_kubectl_streams import SPDY, Copy, Exec, Forward, Logs, PythonClient, StreamsTestCase
from .hub import HubWorld
from .hub_in_memory import InMemoryCluster

_CLUSTER = "pods"


def _kubeconfig(world: HubWorld) -> str:
    """One that leads through the hub to the cluster with the pods, which is started if it is not there."""
    if world.kubectl("get", "secret", _CLUSTER, "-n", "vela-system").code:
        server = world.started(InMemoryCluster(_CLUSTER, world.folder, pods=True))
        admin = server.client("admin", "system:masters")
        world.add_cluster(
            _CLUSTER,
            endpoint=server.url,
            ca_crt=server.ca.decode("ascii"),
            tls_crt=admin.certificate.decode("ascii"),
            tls_key=admin.key.decode("ascii"),
        )
    return world.kubeconfig(cluster=_CLUSTER)


class _Streams(StreamsTestCase):
    def make_world(self) -> HubWorld:
        raise NotImplementedError

    async def world(self) -> tuple[str, str]:
        self.log = self.make_world().folder / "gateway.access.log"
        kubeconfig = _kubeconfig(self.make_world())
        self.seen = self.log.read_text().count("\n")
        return kubeconfig, _CLUSTER

    def tearDown(self) -> None:
        """kubectl speaks SPDY by itself where WebSocket fails, which is not to happen; SPDY comes as POST."""
        streams = [
            line
            for line in logged(self.log)[self.seen :]
            if line["resource"] in ("pods/exec", "pods/attach", "pods/portforward")
        ]
        wanted = "POST" if self.environment else "GET"
        for line in streams:
            if line["code"] != 404:
                self.assertEqual((line["method"], line["code"]), (wanted, 101), line)


class StreamedExec(Exec, _Streams):
    pass


class StreamedExecSpdy(StreamedExec):
    environment: ClassVar = SPDY


class StreamedCopy(Copy, _Streams):
    pass


class StreamedCopySpdy(StreamedCopy):
    environment: ClassVar = SPDY


class StreamedForward(Forward, _Streams):
    pass


class StreamedForwardSpdy(StreamedForward):
    environment: ClassVar = SPDY


class StreamedPythonClient(PythonClient, _Streams):
    pass


class StreamedLogs(Logs, _Streams):
    pass
