from __future__ import annotations

import ssl

from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import UpstreamRefused, UpstreamReset, UpstreamTlsFailed
from clustergateway.transport.failures import alert_reason, connect_error, lost_error, orderly, tls_reason
from clustergateway.transport.tlstransport import TlsError


class Conversions(SynchronousTestCase):
    def test_connecting(self) -> None:
        for error, code, hop in (
            (ConnectionRefusedError(), 502, "connect"),
            (NoRouteError(), 502, "connect"),
            (ConnectError(113), 502, "connect"),
            (DNSLookupError(), 502, "dns"),
            (TimeoutError(), 504, "connect"),
            (CancelledError(), 504, "connect"),
            (ssl.SSLError(1, "x"), 502, "tls"),
            (ZeroDivisionError("secret"), 502, "connect"),
        ):
            ours = connect_error(Failure(error), "east")
            self.assertEqual((code, hop, "east"), (ours.code, ours.hop, ours.cluster), error)
            self.assertNotIn("secret", ours.message)

    def test_ours_stay_as_they_are(self) -> None:
        error = UpstreamRefused("the proxy refused", cluster="west", hop="proxy")
        for convert in (connect_error, lost_error):
            self.assertIs(error, convert(Failure(error), "east"))
            self.assertEqual("west", error.cluster)

    def test_losing(self) -> None:
        self.assertIsInstance(lost_error(Failure(ConnectionLost()), "east"), UpstreamReset)
        error = ssl.SSLError(1, "x")
        error.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        ours = lost_error(Failure(TlsError(error)), "east")
        self.assertIsInstance(ours, UpstreamTlsFailed)
        self.assertIn("asks for a client certificate", ours.message)

    def test_reasons(self) -> None:
        error = ssl.SSLCertVerificationError(1, "x")
        for code, words in ((10, "expired"), (62, "host name"), (20, "issuer"), (999, "999")):
            error.verify_code = code
            self.assertIn(words, tls_reason(error))
        self.assertIn("closed", tls_reason(ssl.SSLEOFError(8, "x")))
        self.assertEqual("TLS failed", tls_reason(ssl.SSLError(1, "x")))
        self.assertIn("does not speak TLS", alert_reason("wrong version number"))
        self.assertEqual("TLS failed (odd thing)", alert_reason("ODD_THING"))

    def test_orderly(self) -> None:
        self.assertTrue(orderly(Failure(ConnectionDone())))
        self.assertFalse(orderly(Failure(ConnectionLost())))
