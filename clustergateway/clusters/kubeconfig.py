"""Clusters from the contexts of a kubeconfig, followed as it and the files it names change."""

from __future__ import annotations

import os

from twisted.internet.interfaces import IReactorTime

from ..errors import ConfigurationError
from ..model.gateway import ClusterGateway
from ..model.kubeconfig import Contexts, parse_kubeconfig
from ..model.manifest import documents
from ..transport.files import Signature, cause, read_file, signature
from .files import FileDirectory


class KubeconfigDirectory(FileDirectory):
    """
    The contexts of one kubeconfig, each a cluster.

    A context that cannot be used any more keeps the cluster it last described; while the whole file cannot be read, all
    do.
    """

    def __init__(self, path: str, clock: IReactorTime, interval: float = 1.0) -> None:
        super().__init__(os.path.abspath(path), clock, interval)
        self._signatures: dict[str, Signature | None] = {}
        self._by_context: dict[str, ClusterGateway] = {}

    def load(self) -> None:
        signatures: dict[str, Signature | None] = {}

        def read(path: str) -> bytes:
            signatures[path] = signature(path)
            return read_file(path)

        try:
            found = documents(read(self.path))
            if len(found) != 1:
                raise ConfigurationError("it is not a kubeconfig")
            contexts = parse_kubeconfig(found[0], os.path.dirname(self.path), read)
        except (ConfigurationError, OSError, ValueError) as error:
            self._signatures |= signatures
            raise ConfigurationError(f"the kubeconfig {self.path} cannot be used: {cause(error)}") from None
        self._signatures = signatures
        self._take(contexts)

    def poll(self) -> None:
        if all(signature(path) == seen for path, seen in self._signatures.items()):
            return
        try:
            self.load()
        except ConfigurationError as error:
            self._report({**self._problems, "": error.message})

    def _take(self, contexts: Contexts) -> None:
        for context, name in contexts.renamed.items():
            if context not in self._by_context:
                self._log.info("context {context} is the cluster {name}", context=context, name=name)
        kept = {context: self._by_context[context] for context in contexts.problems if context in self._by_context}
        self._by_context = {gateway.alias or gateway.name: gateway for gateway in contexts.gateways} | kept
        self._report(contexts.problems)
        self.store.replace_all(self._by_context.values())
