"""Who asks, what they show for it, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass

ANONYMOUS_USER = "system:anonymous"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
AUTHENTICATED_GROUP = "system:authenticated"
PRIVILEGED_GROUP = "system:masters"

Extra = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """
    A user as Kubernetes knows one (authentication.k8s.io UserInfo).

    @ivar groups: as authenticated, C{system:authenticated} included, in order, without repeats.
    @ivar extra: keys decoded and lowercased, in order of first appearance, each with its values in order.
    @ivar source: which authenticator said so: C{requestheader}, C{x509}, C{tokenreview}, C{tokenfile}, C{anonymous}.
    """

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Extra = ()
    source: str = ""


ANONYMOUS = Identity(ANONYMOUS_USER, (UNAUTHENTICATED_GROUP,), source="anonymous")


@dataclass(frozen=True, slots=True)
class Claims:
    """
    Everything in a request from which an identity can be derived; nothing else in it can.

    @ivar certificate: the client certificate in DER whose chain TLS verified against the union of the configured client
        CAs (which of them is for the authenticators to find out), or C{None}.
    @ivar chain: the certificates the client sent behind its own, DER.
    @ivar headers: the header fields that can carry identity (see L{clustergateway.model.headers}), names lowercased,
        values stripped of surrounding white space, in order of arrival.
    @ivar address: the client's IP address, for logs only.
    @ivar forwarded: the header fields, likewise, in which a proxy says for whom it asks (see
        L{clustergateway.model.forwardedfor}). For logs only, and only if the proxy proves to be a trusted one.
    @ivar outdated: the connection was made when other client certificates were asked for than now.
    """

    certificate: bytes | None = None
    chain: tuple[bytes, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    address: str = ""
    outdated: bool = False
    forwarded: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Attributes:
    """
    What is asked for, in the words of authorization.k8s.io: either a resource or a non-resource path.

    @ivar path: the non-resource path; C{""} when it is a resource request.
    @ivar verb: get, list, watch, create, update, patch, delete, deletecollection; for non-resource paths the
        lowercased method.
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """The resource with its subresource, as rules name it: C{pods/log}."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """May they: an authorizer's answer. C{reason} is shown to the user when refused."""

    allowed: bool
    reason: str = ""
