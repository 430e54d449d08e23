"""What is not wrong with a cluster's configuration, but will not work either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .gateway import CertificateCredential, ClusterGateway
from .x509 import certificates, chain_warning, expiry_warning


def warnings(gateway: ClusterGateway, now: float) -> Iterator[str]:
    """
    A sentence for each certificate that is not valid now, or is in the wrong place, and for what was left out.

    @param now: seconds since the epoch.
    """
    yield from gateway.warnings
    if isinstance(gateway.credential, CertificateCredential):
        pem, what = gateway.credential.certificate, "the client certificate"
        yield from filter(None, (expiry_warning(pem, what, now), chain_warning(pem, what)))
    for ca in dict.fromkeys(endpoint.ca for endpoint in gateway.endpoints):
        # Bundles keep old certificates beside new ones: only when none is left something is wrong.
        if ca is not None and all(end.not_valid_after_utc.timestamp() < now for end in certificates(ca, "the CA")):
            yield "every certificate of the CA bundle expired"


def all_warnings(gateways: Iterable[ClusterGateway], now: float) -> dict[str, str]:
    """Cluster name -> its warnings, for those that have any."""
    found = ((gateway.name, "; ".join(warnings(gateway, now))) for gateway in gateways)
    return {name: sentence for name, sentence in found if sentence}
