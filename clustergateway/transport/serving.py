"""The certificate that the gateway serves with: from files that somebody else rotates, or made here."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError
from ..model.x509 import DAY, KeyPair, check_pair, expiry, issue_server, issued_by, new_authority, server_names
from .files import Poll, Signature, cause, read_file, signature, write_private

RENEWED_BEFORE = 30 * DAY
"""Seconds before the end of a certificate made here at which it is made anew."""


class ServingCertificate(ABC):
    """
    A certificate, its key, and word of every change.

    @ivar pair: what to serve with.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        """@param interval: seconds between two looks at it."""
        self._clock = clock
        self._listeners: list[Callable[[KeyPair], None]] = []
        self._poll = Poll(self.poll, clock, interval)
        self._problem = ""
        self.pair = self._load()

    @property
    @abstractmethod
    def trust(self) -> bytes:
        """PEM bundle by which clients can verify the certificate."""

    def subscribe(self, listener: Callable[[KeyPair], None]) -> None:
        """Have C{listener} called with every new pair."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Follow changes."""
        self._poll.start()

    def stop(self) -> None:
        self._poll.stop()

    def problem(self) -> str:
        """Why a newer certificate is not served, C{""} while none is known of."""
        return self._problem

    def poll(self) -> None:
        """Look for a change. What cannot be used leaves the last certificate in service."""
        try:
            pair = self._load()
        except ConfigurationError as error:
            if error.message != self._problem:
                self._log.warn("serving certificate: {problem}", problem=error.message)
            self._problem = error.message
            return
        self._problem = ""
        if pair != self.pair:
            self.pair = pair
            for listener in self._listeners:
                listener(pair)

    @abstractmethod
    def _load(self) -> KeyPair:
        """
        @raise ConfigurationError: there is none that could be served with.
        """


class CertificateFiles(ServingCertificate):
    """A PEM chain and a PEM key in two files; read again when one of them changes."""

    def __init__(self, certificate_path: str, key_path: str, clock: IReactorTime, interval: float = 1.0) -> None:
        """
        @raise ConfigurationError: they cannot be read, or do not belong together.
        """
        self._paths = certificate_path, key_path
        self._seen: tuple[Signature | None, Signature | None] = (None, None)
        super().__init__(clock, interval)

    @property
    def trust(self) -> bytes:
        return self.pair.certificate

    def _load(self) -> KeyPair:
        certificate_path, key_path = self._paths
        seen = signature(certificate_path), signature(key_path)
        if seen == self._seen and None not in seen and not self._problem:
            return self.pair
        pair = KeyPair(_read(certificate_path), _read(key_path))
        # While one of the two is already new and the other is not, they do not match; the next look finds both.
        check_pair(pair.certificate, pair.key, certificate_path, key_path)
        self._seen = seen
        return pair


class SelfSigned(ServingCertificate):
    """
    A certificate for one year, made anew a month before its end or when the names change; signed by a CA of ten years,
    so that kubeconfigs outlive it. C{serving.crt}, C{serving.key}, C{serving-ca.crt} and C{serving-ca.key} in a folder
    keep it over restarts.
    """

    def __init__(self, directory: str, names: Sequence[str], clock: IReactorTime, interval: float = 3600.0) -> None:
        """
        @param names: host names and addresses that clients use, the main one first.
        @raise ConfigurationError: the folder cannot be used.
        """
        self._directory = directory
        self._names = tuple(names)
        self._authority = KeyPair(b"", b"")
        super().__init__(clock, interval)

    @property
    def trust(self) -> bytes:
        return self._authority.certificate

    def _load(self) -> KeyPair:
        now = self._clock.seconds()
        self._authority = load_authority(self._directory, "serving-ca", "cluster-gateway serving CA", now)
        kept = load_pair(self._directory, "serving")
        if kept is not None and self._serves(kept, now):
            return kept
        pair = issue_server(self._authority, self._names, now)
        store_pair(self._directory, "serving", pair)
        return pair

    def _serves(self, pair: KeyPair, now: float) -> bool:
        return (
            expiry(pair.certificate) - now > RENEWED_BEFORE
            and server_names(pair.certificate) >= {_plain(name) for name in self._names}
            and issued_by(pair.certificate, self._authority.certificate)
        )


def serving_names(bound: Sequence[str], hostname: str, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """
    The names that a certificate made here is for.

    @param bound: addresses listened on; those that mean every interface are left out.
    @param hostname: of this machine.
    @param extra: other names by which clients come, for instance of a Service.
    """
    addresses = [address for address in bound if not _is_wildcard(address)]
    names = (*extra, hostname, *addresses, "localhost", "127.0.0.1", "::1")
    return tuple(dict.fromkeys(name for name in names if name and name.isascii()))


def load_authority(directory: str, stem: str, common_name: str, now: float) -> KeyPair:
    """
    The CA that is kept in C{stem.crt} and C{stem.key}; a new one if there is none, or it is about to end.

    @raise ConfigurationError: the folder cannot be used, or what is kept there is damaged.
    """
    kept = load_pair(directory, stem)
    if kept is not None and expiry(kept.certificate) - now > RENEWED_BEFORE:
        return kept
    authority = new_authority(common_name, now)
    store_pair(directory, stem, authority)
    return authority


def load_pair(directory: str, stem: str) -> KeyPair | None:
    """
    @return: C{None} if one of the two files is not there.
    @raise ConfigurationError: they cannot be read, or do not belong together.
    """
    certificate_path, key_path = (os.path.join(directory, f"{stem}.{suffix}") for suffix in ("crt", "key"))
    if signature(certificate_path) is None or signature(key_path) is None:
        return None
    pair = KeyPair(_read(certificate_path), _read(key_path))
    check_pair(pair.certificate, pair.key, certificate_path, key_path)
    return pair


def store_pair(directory: str, stem: str, pair: KeyPair) -> None:
    """
    Write it, for its owner alone; the folder is made if need be.

    @raise ConfigurationError: it cannot be written.
    """
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        # Without its certificate a key means nothing: a crash in between leaves no pair, or the old certificate with a
        # key that does not belong to it, which is why the certificate goes first away.
        certificate_path = os.path.join(directory, f"{stem}.crt")
        if os.path.exists(certificate_path):
            os.unlink(certificate_path)
        write_private(os.path.join(directory, f"{stem}.key"), pair.key)
        write_private(certificate_path, pair.certificate)
    except OSError as error:
        raise ConfigurationError(f"certificates cannot be kept in {directory}: {cause(error)}") from None


def _read(path: str) -> bytes:
    try:
        return read_file(path)
    except (OSError, ValueError, ConfigurationError) as error:
        raise ConfigurationError(f"{path} cannot be read: {cause(error)}") from None


def _plain(name: str) -> str:
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _is_wildcard(address: str) -> bool:
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return not address
