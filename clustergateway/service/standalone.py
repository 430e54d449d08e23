"""A gateway of its own: clusters from files, clients by certificate or token file, permission from a policy."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime

from ..authn.bearer import BearerAuthenticator
from ..authn.tokenfile import TokenFile
from ..authn.union import UnionAuthenticator
from ..authn.x509 import X509Authenticator
from ..authz.policy import PolicyAuthorizer
from ..clusters.files import FileDirectory
from ..clusters.folder import FolderDirectory
from ..clusters.kubeconfig import KubeconfigDirectory
from ..clusters.merge import Union
from ..errors import ConfigurationError, GatewayError
from ..interfaces import Authenticator, Directory
from ..kube.follow import FollowedFile
from ..model.gateway import ClusterGateway, Health
from ..model.x509 import KeyPair
from ..observe.metrics import Reading
from ..settings import Settings
from ..transport.admin import client_authority, write_kubeconfig


class Standalone:
    """
    Implements L{clustergateway.service.sources.Sources}.

    @raise ConfigurationError: something that was given cannot be used.
    """

    exec_allowed_by_default = True
    """Whoever may write the gateway's own files may run commands as it anyway."""

    registered: Directory | None = None
    collectors: Sequence[Collector] = ()

    def __init__(self, settings: Settings, clock: IReactorTime) -> None:
        self._settings = settings
        self._clock = clock
        self._files: list[FileDirectory] = []
        if settings.clusters_dir:
            self._files.append(FolderDirectory(settings.clusters_dir, clock))
        if settings.clusters_kubeconfig:
            self._files.append(KubeconfigDirectory(settings.clusters_kubeconfig, clock))
        self._admin = client_authority(settings.cert_dir, clock.seconds()) if settings.write_kubeconfig else None
        self._given_ca = b""
        self._trust_changed: Callable[[], None] = lambda: None
        self._x509 = X509Authenticator(clock, self.client_ca() or None)
        self._client_ca_file = (
            FollowedFile(settings.client_ca_file, clock, self._use_client_ca) if settings.client_ca_file else None
        )
        self._tokens = TokenFile(settings.token_auth_file, clock) if settings.token_auth_file else None
        self._policy = PolicyAuthorizer(clock, settings.standalone_policy)
        self.authorizer = self._policy
        self.proxy_authorizer = self._policy
        self.directory: Union
        self.authenticator: Authenticator

    def start(self) -> Deferred[None]:
        """
        Read everything once, and follow what changes.

        @return: fails with L{ConfigurationError} if something cannot be used.
        """
        try:
            for part in (*self._files, self._client_ca_file, self._tokens, self._policy):
                if part is not None:
                    part.start()
            self._refuse_open_door()
        except GatewayError:
            self.stop()
            return fail()
        self.directory = Union(self._files, self._clock)
        judges = [BearerAuthenticator([self._tokens])] if self._tokens is not None else []
        self.authenticator = UnionAuthenticator([self._x509, *judges])
        return succeed(None)

    def stop(self) -> None:
        for part in (*self._files, self._client_ca_file, self._tokens, self._policy):
            if part is not None:
                part.stop()

    def client_ca(self) -> bytes:
        """PEM bundle of every CA whose client certificates mean something."""
        return b"\n".join(pem for pem in (self._given_ca, self._admin.certificate if self._admin else b"") if pem)

    def on_trust(self, changed: Callable[[], None]) -> None:
        self._trust_changed = changed

    def serving(self, server: str, trust: bytes) -> None:
        """Told where the gateway is reached, once it is; writes the administrator's kubeconfig."""
        if self._admin is not None:
            self._write(self._admin, server, trust)
            self.directory.subscribe(
                lambda event, _: None if event == "MODIFIED" else self._write(self._admin, server, trust)
            )

    def problems(self) -> Mapping[str, str]:
        """What cannot be used at the moment: place -> sentence."""
        found: dict[str, str] = {}
        for files in self._files:
            for place, sentence in files.problems().items():
                found[f"{files.path}: {place}" if place else files.path] = sentence
        for followed in (self._client_ca_file, self._tokens, self._policy):
            for sentence in followed.problems() if followed is not None else ():
                found[sentence.split(":", 1)[0]] = sentence
        return found

    def unready(self) -> Iterable[str]:
        """Why no request can be served; files are there from the start."""
        return ()

    def find(self, name: str) -> ClusterGateway:
        """
        @raise UnknownCluster: none has this name.
        """
        return self.directory.get(name)

    def version(self) -> int:
        return self.directory.version

    def heard(self) -> int:
        return self.directory.version

    def identity_headers(self) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
        return frozenset(), ()

    def readings(self) -> Iterable[Reading]:
        return ()

    def write(self, name: str, health: Health, resource_version: str) -> Deferred[ClusterGateway]:
        """Implements L{clustergateway.interfaces.HealthWriter}, in memory."""
        return maybeDeferred(self.directory.write_health, name, health, resource_version)

    def _write(self, authority: KeyPair | None, server: str, trust: bytes) -> None:
        if authority is not None:
            names = [gateway.name for gateway in self.directory.all()]
            write_kubeconfig(self._settings.write_kubeconfig, authority, server, trust, names, self._clock.seconds())

    def _use_client_ca(self, contents: bytes) -> None:
        before, self._given_ca = self._given_ca, contents
        try:
            self._x509.replace(self.client_ca())
        except ConfigurationError:
            self._given_ca = before
            raise
        self._trust_changed()

    def _refuse_open_door(self) -> None:
        if self.client_ca() or self._tokens is not None:
            return
        try:
            loopback = ipaddress.ip_address(self._settings.bind_address).is_loopback
        except ValueError:
            loopback = self._settings.bind_address == "localhost"
        if not loopback:
            raise ConfigurationError(
                f"--bind-address={self._settings.bind_address} is open to the network and no client could be told from "
                "another: give --client-ca-file, --token-auth-file or --write-kubeconfig, or bind to 127.0.0.1"
            )
