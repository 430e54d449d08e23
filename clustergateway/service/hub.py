"""How the gateway speaks to its hosting cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..credentials.execplugin import ExecPlugins
from ..credentials.source import Source
from ..credentials.tokenfile import TokenFiles
from ..kube.address import KubeconfigHub, in_cluster
from ..kube.client import KubeClient
from ..kube.connection import Connection, connector
from ..model.gateway import ClusterGateway

USER_AGENT = "cluster-gateway"


class Clients(Protocol):
    """Of the hosting cluster."""

    def client(self, kubeconfig: str = "") -> KubeClient:
        """
        @param kubeconfig: whose credential and address are used; C{""}: the hub's own.
        @raise ConfigurationError: it cannot be used.
        """
        ...

    def close(self) -> None: ...


class Hub:
    """
    Implements L{Clients}.

    Makes clients of the hosting cluster; those of the same kubeconfig are one.

    @param kubeconfig: C{""}: the pod's own service account.
    """

    def __init__(self, reactor: Any, kubeconfig: str, user_agent: str, environment: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._kubeconfig = kubeconfig
        self._user_agent = user_agent or USER_AGENT
        self._environment = environment
        self._clients: dict[str, KubeClient] = {}
        self._credentials: list[Source] = []

    def client(self, kubeconfig: str = "") -> KubeClient:
        path = kubeconfig or self._kubeconfig
        if path not in self._clients:
            # Whoever wrote the kubeconfig may have its exec plugin run: it is the gateway's own.
            plugins = ExecPlugins(self._reactor, self._reactor, self._environment)
            credentials = Source(TokenFiles(self._reactor), plugins)
            self._credentials.append(credentials)
            connection = Connection(self._where(path), credentials, connector(self._reactor))
            self._clients[path] = KubeClient(connection, self._reactor, self._user_agent)
        return self._clients[path]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        for credentials in self._credentials:
            credentials.close()

    def _where(self, path: str) -> Callable[[], ClusterGateway]:
        if path:
            return KubeconfigHub(path, self._reactor).cluster
        cluster = in_cluster(self._environment)
        return lambda: cluster
