from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.tokens import ISSUER, ServiceAccountTokens


class TokensTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.tokens = ServiceAccountTokens(b"key", lambda: self.now)

    def test_round_trip(self) -> None:
        token, until = self.tokens.issue("ns", "robot", "u1", (), 60)
        self.assertEqual(until, "1970-01-01T00:17:40Z")
        read = self.tokens.read(token)
        assert read is not None
        user, audiences, account = read
        self.assertEqual((user.name, user.uid), ("system:serviceaccount:ns:robot", "u1"))
        self.assertEqual((audiences, account), ((ISSUER,), "ns/robot"))

    def test_expires(self) -> None:
        token, _ = self.tokens.issue("ns", "robot", "u1", (), 60)
        self.now += 60
        self.assertIsNone(self.tokens.read(token))

    def test_of_another_server(self) -> None:
        token, _ = ServiceAccountTokens(b"other", lambda: self.now).issue("ns", "robot", "u1", (), 60)
        self.assertIsNone(self.tokens.read(token))

    @given(st.text())
    def test_never_fails(self, token: str) -> None:
        self.assertIsNone(ServiceAccountTokens(b"key", lambda: 0.0).read(token))
