"""Certificate authorities and certificates for tests and sandboxes. Elliptic keys: made in a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from cryptography.hazmat.primitives.serialization import Encoding

from ..model.x509 import BACKDATED, KeyPair, certificates, issue_client, issue_server, new_authority

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR_AHEAD = datetime(2120, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Pair(KeyPair):
    """
    A certificate and its key.

    @ivar certificate: PEM, leaf first, any intermediates behind it.
    """

    @property
    def der(self) -> bytes:
        """The leaf in DER."""
        return _der(self.certificate)


class Authority:
    """
    A certificate authority.

    @ivar certificate: its own, in PEM; C{der} is the same in DER.
    @ivar intermediates: what a certificate from it has to be followed by, PEM.
    """

    def __init__(self, name: str, issuer: Authority | None = None) -> None:
        """
        @param issuer: who signs its certificate; C{None} for itself.
        """
        signer = None if issuer is None else issuer._pair
        self._pair: KeyPair = new_authority(name, *_lasting((LONG_AGO, FAR_AHEAD)), issuer=signer, depth=None)
        self.certificate = self._pair.certificate
        self.der = _der(self.certificate)
        self.intermediates: bytes = b"" if issuer is None else self.certificate + issuer.intermediates

    def server(self, *names: str, valid: tuple[datetime, datetime] = (LONG_AGO, FAR_AHEAD)) -> Pair:
        """
        @param names: host names and IP addresses, the first of which is also its common name.
        """
        return self._followed(issue_server(self._pair, names, *_lasting(valid)))

    def client(
        self, user: str, groups: Sequence[str] = (), valid: tuple[datetime, datetime] = (LONG_AGO, FAR_AHEAD)
    ) -> Pair:
        """A user as Kubernetes reads one: common name and organizations."""
        return self._followed(issue_client(self._pair, user, tuple(groups), *_lasting(valid)))

    def _followed(self, leaf: KeyPair) -> Pair:
        return Pair(leaf.certificate + self.intermediates, leaf.key)


def _lasting(valid: tuple[datetime, datetime]) -> tuple[float, float]:
    """For L{clustergateway.model.x509}: when it is made, and how long it is good from then on."""
    made = valid[0].timestamp() + BACKDATED
    return made, valid[1].timestamp() - made


def _der(pem: bytes) -> bytes:
    return certificates(pem, "the certificate")[0].public_bytes(Encoding.DER)
