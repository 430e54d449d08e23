from __future__ import annotations

import os
import ssl
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.testing.certificates import Authority
from clustergateway.transport import contexts, tlsstock
from clustergateway.transport.contexts import ClientTls, ServerTls

AUTHORITY = Authority("test")
SERVER = AUTHORITY.server("localhost")
CLIENT = AUTHORITY.client("jane")
SERVING = ServerTls(SERVER.certificate, SERVER.key, AUTHORITY.certificate)
CALLING = ClientTls(AUTHORITY.certificate, certificate=CLIENT.certificate, key=CLIENT.key)


class Contexts(SynchronousTestCase):
    def test_server(self) -> None:
        context = contexts.server_context(SERVING)
        self.assertEqual((ssl.CERT_OPTIONAL, ssl.TLSVersion.TLSv1_2), (context.verify_mode, context.minimum_version))
        self.assertEqual(0, context.num_tickets)
        self.assertEqual(ssl.CERT_NONE, contexts.server_context(replace(SERVING, client_ca=b"")).verify_mode)

    def test_client(self) -> None:
        context = contexts.client_context(CALLING)
        self.assertTrue(context.check_hostname)
        self.assertEqual(1, context.cert_store_stats()["x509_ca"])
        self.assertFalse(context.verify_flags & ssl.VERIFY_X509_STRICT)
        self.assertTrue(context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN)
        insecure = contexts.client_context(ClientTls(insecure=True))
        self.assertEqual((False, ssl.CERT_NONE), (insecure.check_hostname, insecure.verify_mode))

    def test_the_systems_authorities(self) -> None:
        self.assertEqual(ssl.CERT_REQUIRED, contexts.client_context(ClientTls()).verify_mode)

    def test_unusable(self) -> None:
        key = load_pem_private_key(SERVER.key, None)
        encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        for serving in (
            replace(SERVING, key=CLIENT.key),
            replace(SERVING, key=b""),
            replace(SERVING, key=encrypted),
            replace(SERVING, certificate=b"junk"),
            replace(SERVING, client_ca=b"junk"),
            replace(SERVING, client_ca="ä".encode()),
        ):
            for room in (contexts, tlsstock):
                self.assertRaises(ConfigurationError, room.server_context, serving)
        for calling in (replace(CALLING, ca=b"junk"), replace(CALLING, key=SERVER.key)):
            for room in (contexts, tlsstock):
                self.assertRaises(ConfigurationError, room.client_context, calling)

    def test_keys_are_not_shown(self) -> None:
        self.assertNotIn("PRIVATE", repr(SERVING) + repr(CALLING))

    def test_nothing_stays_open(self) -> None:
        before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
        contexts.server_context(SERVING)
        after = os.listdir("/proc/self/fd") if before else []
        self.assertEqual(len(before), len(after))
