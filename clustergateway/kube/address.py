"""Where the hosting cluster is: the pod's own service account, or a kubeconfig."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import yaml
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError
from ..model.endpoint import parse_endpoint
from ..model.gateway import ClusterGateway, TokenFileCredential
from ..model.kubeconfig import parse_kubeconfig
from ..transport.files import Signature, cause, read_file, signature

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
LOOK_AGAIN = 1.0
"""Seconds between two looks at the same files."""


def in_cluster(environ: Mapping[str, str], directory: str = SERVICE_ACCOUNT) -> ClusterGateway:
    """
    The cluster whose pod this is, entered as the pod's service account. Its token is left in its file: it is rotated.

    @raise ConfigurationError: this is no pod, or it has no service account mounted.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise ConfigurationError("this is not a pod of a cluster; name the hosting cluster with --kubeconfig")
    try:
        ca = read_file(os.path.join(directory, "ca.crt"))
    except OSError as error:
        raise ConfigurationError(f"the service account's ca.crt cannot be read: {cause(error)}") from None
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    endpoint = parse_endpoint(url, "KUBERNETES_SERVICE_HOST", ca=ca)
    return ClusterGateway("hub", (endpoint,), TokenFileCredential(os.path.join(directory, "token")))


def own_namespace(directory: str = SERVICE_ACCOUNT) -> str:
    """The namespace of the pod this is, C{""} if it is none."""
    try:
        return read_file(os.path.join(directory, "namespace")).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class KubeconfigHub:
    """
    The cluster that a context of a kubeconfig names; read again when the kubeconfig, or a certificate or key file that
    it names, changes. While it cannot be used the last good one is.
    """

    _log = Logger()

    def __init__(self, path: str, clock: IReactorTime, context: str = "") -> None:
        """
        @param context: C{""} for the current one.
        @raise ConfigurationError: it cannot be used.
        """
        self._path = path
        self._clock = clock
        self._context = context
        self._files: dict[str, Signature | None] = {}
        self._cluster = self._read()
        self._looked = clock.seconds()

    def cluster(self) -> ClusterGateway:
        """What the files say, or said when they were last usable."""
        now = self._clock.seconds()
        if now - self._looked >= LOOK_AGAIN:
            self._looked = now
            if any(signature(path) != known for path, known in self._files.items()):
                try:
                    self._cluster = self._read()
                except ConfigurationError as error:
                    self._log.error("{path}: {problem}; the former one is used", path=self._path, problem=error.message)
        return self._cluster

    def _read(self) -> ClusterGateway:
        self._files = {}
        try:
            document = yaml.safe_load(self._content(self._path))
        except OSError as error:
            raise ConfigurationError(f"the kubeconfig cannot be read: {cause(error)}") from None
        except (yaml.YAMLError, ValueError, RecursionError):
            raise ConfigurationError("the kubeconfig is not YAML") from None
        context = self._context or _current(document)
        contexts = parse_kubeconfig(document, os.path.dirname(os.path.abspath(self._path)), self._content)
        if context in contexts.problems:
            raise ConfigurationError(f"the kubeconfig's context {context!r}: {contexts.problems[context]}")
        for each in contexts.gateways:
            if context in (each.name, each.alias):
                if each.endpoints[0].proxy_url:
                    raise ConfigurationError("the hosting cluster cannot be reached through a proxy-url")
                return each
        raise ConfigurationError(f"the kubeconfig has no context {context!r}")

    def _content(self, path: str) -> bytes:
        self._files[path] = signature(path)
        return read_file(path)


def _current(document: Any) -> str:
    context = document.get("current-context") if isinstance(document, Mapping) else None
    if not isinstance(context, str) or not context:
        raise ConfigurationError("the kubeconfig has no current-context")
    return context
