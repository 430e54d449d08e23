"""The real proxy-server and proxy-agent of apiserver-network-proxy, as processes."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.web.client import Agent

from clustergateway.testing.certificates import Authority, Pair
from tests.ports import free_port

from ..contracts.konnectivity import until

ASSETS = os.environ.get("KONNECTIVITY_ASSETS", "/usr/local/konnectivity/bin")


def missing() -> str:
    """Why they cannot be run here; empty if they can."""
    for name in ("proxy-server", "proxy-agent"):
        if not os.access(os.path.join(ASSETS, name), os.X_OK):
            return f"no {name} in {ASSETS}; set KONNECTIVITY_ASSETS to a folder that holds proxy-server and proxy-agent"
    return ""


def listens(port: int) -> bool:
    """Is somebody listening on a port of this machine? Asks the system, not the port."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return any(row[3] == "0A" and int(row[1].split(":")[1], 16) == port for row in rows)


def _stopped(stat: Path) -> bool:
    # proc(5): the state follows the name, which is in parentheses. A thread may have ended meanwhile.
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Running(ProcessProtocol):
    """
    A process.

    @ivar ended: fires when it has.
    """

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()
        self.pid = 0
        self.output = b""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.pid = self.transport.pid

    def errReceived(self, data: bytes) -> None:
        self.output = (self.output + data)[-20000:]

    outReceived = errReceived

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)

    async def pause(self) -> None:
        """
        Until L{resume}.

        @return: when no thread of it runs any more, which on a busy machine is later than the signal.
        """
        os.kill(self.pid, SIGSTOP)
        await until(lambda: all(_stopped(stat) for stat in Path(f"/proc/{self.pid}/task").glob("*/stat")))

    def resume(self) -> None:
        """Go on."""
        os.kill(self.pid, SIGCONT)

    async def kill(self) -> None:
        """Without warning."""
        assert self.transport is not None
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            pass
        if not self.ended.called:
            await self.ended


class Deployment:
    """
    One proxy-server and one agent on loopback.

    @ivar port: for clients of the proxy-server.
    """

    def __init__(self, reactor: Any, directory: str, mode: str) -> None:
        self._reactor = reactor
        self._directory = os.path.abspath(directory)
        self._mode = mode
        self.port = free_port()
        self._agents_port = free_port()
        self._agents_health = free_port()
        self.server = Running()
        self.agent = Running()

    def prepare(self, ca: Authority, server: Pair) -> None:
        """Write the certificates."""
        agent = ca.client("agent")
        for name, content in (
            ("ca", ca.certificate),
            ("server.crt", server.certificate),
            ("server.key", server.key),
            ("agent.crt", agent.certificate),
            ("agent.key", agent.key),
        ):
            with open(self._path(name), "wb") as stream:
                stream.write(content)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, "konnectivity-" + name)

    def start_server(self) -> None:
        """Start the proxy-server."""
        ca, certificate, key = (self._path(name) for name in ("ca", "server.crt", "server.key"))
        self.server = self._spawn(
            "proxy-server",
            mode=self._mode,
            server_port=self.port,
            agent_port=self._agents_port,
            admin_port=free_port(),
            health_port=free_port(),
            server_bind_address="127.0.0.1",
            agent_bind_address="127.0.0.1",
            health_bind_address="127.0.0.1",
            server_ca_cert=ca,
            server_cert=certificate,
            server_key=key,
            cluster_ca_cert=ca,
            cluster_cert=certificate,
            cluster_key=key,
        )

    def start_agent(self) -> None:
        """Start the agent."""
        self.agent = self._spawn(
            "proxy-agent",
            proxy_server_host="127.0.0.1",
            proxy_server_port=self._agents_port,
            ca_cert=self._path("ca"),
            agent_cert=self._path("agent.crt"),
            agent_key=self._path("agent.key"),
            admin_server_port=free_port(),
            health_server_host="127.0.0.1",
            health_server_port=self._agents_health,
            sync_interval="100ms",
            sync_interval_cap="500ms",
            probe_interval="100ms",
        )

    def _spawn(self, program: str, **flags: object) -> Running:
        running = Running()
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        path = os.path.join(ASSETS, program)
        self._reactor.spawnProcess(running, path, [path, "--v=1", *arguments], env={})
        return running

    async def ready(self) -> bool:
        """Is the agent connected to the server?"""
        agent = Agent(self._reactor)
        try:
            answer = await agent.request(b"GET", b"http://127.0.0.1:%d/readyz" % self._agents_health)
        except ConnectError:
            return False
        return bool(answer.code == 200)

    async def stop(self) -> None:
        """End both."""
        for running in (self.agent, self.server):
            if running.pid:
                await running.kill()
