"""Credentials that are put on the wire as they are configured."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model.gateway import CertificateCredential, NoCredential, TokenCredential
from ..model.generation import credential_version


@dataclass(frozen=True, slots=True)
class FixedEntry:
    """An L{Entry<clustergateway.interfaces.Entry>} whose values never change; another credential is another entry."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    version: str = ""


def static_entry(credential: TokenCredential | CertificateCredential | NoCredential) -> FixedEntry:
    """The credential as an entry."""
    version = credential_version(credential)
    if isinstance(credential, TokenCredential):
        return FixedEntry(token=credential.token, version=version)
    if isinstance(credential, CertificateCredential):
        return FixedEntry(certificate=credential.certificate, key=credential.key, version=version)
    return FixedEntry(version=version)
