"""A gateway behind a hosting cluster: clusters are its Secrets, clients its users, permission its RBAC."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from ..authn.bearer import BearerAuthenticator
from ..authn.requestheader import RequestHeaderAuthenticator
from ..authn.tokenreview import TokenReviews
from ..authn.trust import HubTrust
from ..authn.union import UnionAuthenticator
from ..authn.x509 import X509Authenticator
from ..authz.accessreview import AccessReviews
from ..authz.cache import CachedAuthorizer
from ..authz.subpath import SubpathAuthorizer
from ..clusters.health import SecretHealth
from ..clusters.ocm import AwaitedApi
from ..clusters.overlay import Overlay
from ..clusters.profiles import ProfileReader
from ..clusters.secrets import SecretDirectory, SecretReader
from ..errors import ConfigurationError, Conflict, GatewayError, HubUnavailable, NotFound
from ..interfaces import Directory
from ..kube.cache import Informer
from ..kube.follow import FollowedFile
from ..model.clusterprofile import CLUSTER_PROFILES, cluster_of_profile, parse_providers
from ..model.gateway import ClusterGateway, Health
from ..model.identity import Claims
from ..model.ocm import MANAGED_CLUSTERS, managed_only
from ..model.requestheader import RequestHeaderTrust
from ..model.resourcetype import CONFIG_MAPS, SECRETS, ResourceType
from ..model.secrets import CREDENTIAL_TYPE_LABEL
from ..model.trust import Trust
from ..observe.metrics import Reading, ReviewMetrics
from ..settings import Settings
from ..transport.files import cause, read_file
from .hub import Clients

UNHEARD = "the hub has not said yet whom to believe"


class Aggregated:
    """
    Implements L{clustergateway.service.sources.Sources}.

    @raise ConfigurationError: something that was given cannot be used.
    """

    exec_allowed_by_default = False
    """Whoever may write a Secret of the namespace could run commands in the gateway's pod."""

    def __init__(self, settings: Settings, reactor: Any, hub: Clients) -> None:
        self._settings = settings
        self._reactor = reactor
        self._hub = hub
        self._client = self._hub.client()
        self._trust = Trust()
        self._trust_changed: Callable[[], None] = lambda: None
        self._clusters(settings)
        self._identities(settings)
        review_metrics = ReviewMetrics()
        self.collectors = (review_metrics,)
        reviews = AccessReviews(self._hub.client(settings.authorization_kubeconfig), reactor, review_metrics.reviewed)
        self.authorizer = CachedAuthorizer(reviews.review, reactor)
        self.proxy_authorizer = SubpathAuthorizer(self.authorizer, settings.authorize_proxy_subpath)

    def _clusters(self, settings: Settings) -> None:
        labelled = [("labelSelector", CREDENTIAL_TYPE_LABEL)]
        self._secrets = self._informer(SECRETS, settings.secret_namespace, labelled)
        self._informers = [self._secrets]
        self._awaited: list[AwaitedApi] = []
        self.registered: Directory | None = None
        managed = self._await(MANAGED_CLUSTERS, "")[0] if settings.ocm_integration else None
        self._secret_directory = SecretDirectory(self._secrets, self._reactor, managed)
        self.directory: Directory = self._secret_directory
        profiled = profile_reading(settings)
        if profiled is not None:
            profiles, awaited = self._await(CLUSTER_PROFILES, settings.cluster_profile_namespace)
            self.directory = Overlay(self._secret_directory, profiles, profiled, lambda: awaited.synced)
        if managed is not None:
            self.registered = Overlay(self.directory, managed, managed_only)
        self._health = SecretHealth(lambda name, change: _later(self._patch_secret(name, change)))
        self.find: Callable[[str], ClusterGateway | Deferred[ClusterGateway]] = self.directory.get
        gates = settings.feature_gates
        if not gates.SecretCache or (managed and not gates.OCMClusterCache):
            self.find = self._each_time(settings, profiled)

    def _each_time(
        self, settings: Settings, profiled: ProfileReading | None
    ) -> Callable[[str], Deferred[ClusterGateway]]:
        """What finds clusters without memory."""

        def reading(kind: ResourceType, namespace: str = "") -> Callable[[str], Deferred[Mapping[str, Any]]]:
            return lambda name: _later(self._client.get(kind, name, namespace))

        managed = reading(MANAGED_CLUSTERS) if settings.ocm_integration else None
        secrets = SecretReader(reading(SECRETS, settings.secret_namespace), managed).find
        if profiled is None:
            return secrets
        return ProfileReader(secrets, reading(CLUSTER_PROFILES, settings.cluster_profile_namespace), profiled).find

    def _await(self, kind: ResourceType, namespace: str) -> tuple[Informer, AwaitedApi]:
        """An informer of what the hub may not serve yet; then it keeps nobody waiting."""
        informer = self._informer(kind, namespace, [])
        awaited = AwaitedApi(self._client, informer, self._reactor)
        self._informers.append(informer)
        self._awaited.append(awaited)
        return informer, awaited

    def _identities(self, settings: Settings) -> None:
        self._x509 = X509Authenticator(self._reactor)
        self._front_proxy = RequestHeaderAuthenticator(self._reactor)
        tokens = TokenReviews(self._hub.client(settings.authentication_kubeconfig), self._reactor)
        self.authenticator = UnionAuthenticator(
            [self._front_proxy, self._x509, BearerAuthenticator([tokens]), Unheard(lambda: self._unheard)]
        )
        self._files: list[FollowedFile] = []
        self._hub_trust: HubTrust | None = None
        if settings.client_ca_file:
            self._files.append(FollowedFile(settings.client_ca_file, self._reactor, self._use_client_ca))
        if settings.requestheader_client_ca_file:
            path = settings.requestheader_client_ca_file
            self._files.append(FollowedFile(path, self._reactor, self._use_front_proxy_ca))
        if not (settings.client_ca_file and settings.requestheader_client_ca_file):
            authentication = self._hub.client(settings.authentication_kubeconfig)
            self._hub_trust = HubTrust(authentication, self._reactor, random.random, self._use_hub_trust)

    def _informer(self, kind: Any, namespace: str, query: list[tuple[str, str]]) -> Informer:
        return Informer(self._client, kind, self._reactor, random.random, namespace, query)

    def start(self) -> Deferred[None]:
        """
        The gateway listens from the start and is ready once the hub was heard: discovery depends on nobody.
        """
        try:
            for file in self._files:
                file.start()
        except GatewayError:
            return fail()
        self._secrets.start()
        for awaited in self._awaited:
            awaited.start()
        if self._hub_trust is not None:
            self._hub_trust.start()
        return succeed(None)

    def stop(self) -> None:
        for part in (*self._files, self._secrets, *self._awaited, self._hub_trust):
            if part is not None:
                part.stop()
        self._hub.close()

    # Whom to believe. What a flag says stands; the rest is the hub's to say.

    def client_ca(self) -> bytes:
        """PEM bundle of every CA whose client certificates mean something."""
        return self._trust.bundle()

    def _use_client_ca(self, contents: bytes) -> None:
        self._use(Trust(contents, self._trust.requestheader))

    def _use_front_proxy_ca(self, contents: bytes) -> None:
        given = self._settings
        front_proxy = RequestHeaderTrust(
            contents,
            given.requestheader_allowed_names,
            given.requestheader_username_headers,
            given.requestheader_group_headers,
            given.requestheader_extra_headers_prefix,
            given.requestheader_uid_headers,
        )
        self._use(Trust(self._trust.client_ca, front_proxy))

    def _use_hub_trust(self, trust: Trust) -> None:
        given, now = self._settings, self._trust
        self._use(
            Trust(
                now.client_ca if given.client_ca_file else trust.client_ca,
                now.requestheader if given.requestheader_client_ca_file else trust.requestheader,
            )
        )

    def _use(self, trust: Trust) -> None:
        """
        @raise ConfigurationError: a bundle cannot be read; nothing changed.
        """
        before = self._trust
        try:
            self._x509.replace(trust.client_ca)
            self._front_proxy.replace(trust.requestheader)
        except ConfigurationError:
            self._x509.replace(before.client_ca)
            raise
        self._trust = trust
        if trust != before:
            self._trust_changed()

    def on_trust(self, changed: Callable[[], None]) -> None:
        self._trust_changed = changed

    @property
    def _unheard(self) -> bool:
        """Nothing is known yet of whom to believe."""
        return self._hub_trust is not None and self._trust == Trust()

    def identity_headers(self) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
        front_proxy = self._trust.requestheader
        if front_proxy is None:
            return frozenset(), ()
        names = (*front_proxy.username_headers, *front_proxy.group_headers, *front_proxy.uid_headers)
        return frozenset(_lower(names)), tuple(_lower(front_proxy.extra_prefixes))

    # How it is.

    def serving(self, server: str, trust: bytes) -> None:
        """Clients know where the hub is; nobody has to be told."""

    def version(self) -> int:
        """
        @raise HubUnavailable: the hub has not been heard yet.
        """
        if not self._synced:
            raise HubUnavailable("the clusters are not read from the hub yet", hop="hub", retry_after=1)
        return max(int(informer.resource_version or 0) for informer in self._informers)

    def heard(self) -> int:
        # Each list is numbered by the hub's own counter; the one that was heard of longest ago has the say.
        return min((int(each.resource_version) for each in self._informers if each.resource_version), default=0)

    @property
    def _synced(self) -> bool:
        return self._secrets.synced and all(awaited.synced for awaited in self._awaited)

    def problems(self) -> Mapping[str, str]:
        found = {f"Secret {name}": sentence for name, sentence in self._secret_directory.problems().items()}
        for informer in self._informers:
            found |= {f"hub, {informer.kind.resource}": sentence for sentence in informer.problems()}
        for awaited in self._awaited:
            found |= {f"hub, {kind}": sentence for kind, sentence in awaited.problems().items()}
        found |= {file.path: sentence for file in self._files for sentence in file.problems()}
        if self._hub_trust is not None:
            found |= {"hub, front proxy": "; ".join(self._hub_trust.problems())} if self._hub_trust.problems() else {}
        return found

    def unready(self) -> Iterable[str]:
        # Without the cache each request reads its Secret: routing needs no list, and may have no right to one.
        if self._settings.feature_gates.SecretCache and not self._synced:
            yield "the clusters are not read from the hub yet"
        if self._unheard:
            yield UNHEARD

    def readings(self) -> Iterable[Reading]:
        now = self._reactor.seconds()
        since = {informer.kind.resource: informer.stale_since for informer in self._informers}
        if self._hub_trust is not None:
            since[CONFIG_MAPS.resource] = self._hub_trust.stale_since
        yield (
            "clustergateway_hub_silent_seconds",
            "For how long the hub has not been heard; 0 while it is.",
            ("resource",),
            {(resource,): 0.0 if heard is None else now - heard for resource, heard in since.items()},
        )

    # Health.

    def write(self, name: str, health: Health, resource_version: str) -> Deferred[ClusterGateway]:
        """
        Implements L{clustergateway.interfaces.HealthWriter}: annotations of the Secret.
        """
        known = self._secrets.get(name, self._settings.secret_namespace)
        seen = self.directory.get(name).resource_version
        if known is not None and resource_version == seen:
            # With ManagedClusters a gateway's version is the later of two objects'; the hub compares the Secret's own.
            resource_version = str(known["metadata"]["resourceVersion"])
        return self._health.write(name, health, resource_version)

    async def _patch_secret(self, name: str, change: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._client.patch(SECRETS, name, self._settings.secret_namespace, dict(change))
        except (Conflict, NotFound):
            raise
        except GatewayError as error:
            # Whoever writes has the right to: if we have not, or the hub is busy, it is not theirs to mend.
            raise HubUnavailable(
                f"the health cannot be written: {error.message}",
                cluster=name,
                hop="hub",
                retry_after=error.retry_after,
            ) from None


ProfileReading = Callable[[Mapping[str, Any]], "ClusterGateway | None"]
"""Makes a cluster of a ClusterProfile, C{None} if it is none."""


def profile_reading(settings: Settings) -> ProfileReading | None:
    """
    How clusters are made of ClusterProfiles, C{None} where they are not.

    @raise ConfigurationError: C{--cluster-profile-providers} cannot be used.
    """
    if not settings.cluster_profile_namespace:
        return None
    try:
        plugins = parse_providers(read_file(settings.cluster_profile_providers))
    except OSError as error:
        raise ConfigurationError(f"--cluster-profile-providers cannot be read: {cause(error)}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"--cluster-profile-providers: {error.message}") from None
    return partial(cluster_of_profile, plugins=plugins)


class Unheard:
    """
    Asked last, after everybody who might know a client: as long as the hub has not said whom to believe, nobody can
    tell whether somebody is a stranger. Nor can it be told of who was not asked for the right certificate, for the same
    reason a moment ago; the connection ends with this answer, and the next one will be asked.
    """

    def __init__(self, unheard: Callable[[], bool]) -> None:
        self._unheard = unheard

    def authenticate(self, claims: Claims) -> None:
        """
        @raise HubUnavailable: nobody can tell.
        """
        if self._unheard() or claims.outdated:
            raise HubUnavailable(UNHEARD, hop="hub", retry_after=1)


def _later(work: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(work)


def _lower(names: Iterable[str]) -> Iterable[bytes]:
    return (name.lower().encode("latin-1") for name in names)
