"""With what each cluster is entered, whatever kind its credential is of."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred

from ..interfaces import Entry
from ..model.gateway import CertificateCredential, ClusterGateway, Credential, ExecCredential, TokenFileCredential
from ..model.x509 import expiry
from .execplugin import ExecPlugins
from .static import FixedEntry, static_entry
from .tokenfile import TokenFiles


class Source:
    """Implements L{Credentials<clustergateway.interfaces.Credentials>}."""

    def __init__(self, token_files: TokenFiles, exec_plugins: ExecPlugins) -> None:
        self._token_files = token_files
        self._exec_plugins = exec_plugins
        self._static: dict[str, tuple[Credential, FixedEntry]] = {}

    def entry(self, cluster: ClusterGateway) -> Entry | Deferred[Entry]:
        credential = cluster.credential
        known = self._static.get(cluster.name)
        if known is not None and known[0] is credential:
            return known[1]
        if isinstance(credential, TokenFileCredential):
            return self._token_files.entry(credential.path, cluster.name)
        if isinstance(credential, ExecCredential):
            return cast("Entry | Deferred[Entry]", self._exec_plugins.entry(cluster, credential))
        entry = static_entry(credential)
        self._static[cluster.name] = credential, entry
        return entry

    def rejected(self, cluster: ClusterGateway, entry: Entry) -> bool:
        credential = cluster.credential
        if isinstance(credential, TokenFileCredential):
            return self._token_files.rejected(credential.path, entry.version)
        if isinstance(credential, ExecCredential):
            return self._exec_plugins.rejected(cluster.name, entry.version)
        return False

    def expires(self, cluster: ClusterGateway) -> float | None:
        """
        When the credential that is in use ends, seconds since the epoch; C{None} if it does not or that is not known.
        Runs and reads nothing.
        """
        if isinstance(cluster.credential, CertificateCredential):
            return expiry(cluster.credential.certificate)
        if isinstance(cluster.credential, ExecCredential):
            return self._exec_plugins.expires(cluster.name)
        return None

    def changed(self, event: str, cluster: ClusterGateway) -> None:
        """To be subscribed to the directory: what is remembered of a cluster goes with it."""
        if event == "DELETED":
            self._static.pop(cluster.name, None)
            self._exec_plugins.forget(cluster.name)

    def close(self) -> None:
        """Kill the plugins that run."""
        self._exec_plugins.close()
