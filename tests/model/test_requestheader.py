from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Unauthenticated
from clustergateway.model.identity import Identity
from clustergateway.model.requestheader import RequestHeaderTrust

TRUST = RequestHeaderTrust(b"", uid_headers=("X-Remote-Uid",))
WORDS = st.text(min_size=1, max_size=8)
Headers = list[tuple[bytes, bytes]]


class IdentityTests(SynchronousTestCase):
    def test_as_an_aggregator_sends_it(self) -> None:
        headers = [
            (b"x-remote-user", b"jane"),
            (b"x-remote-group", b"ops"),
            (b"x-remote-group", b"system:authenticated"),
            (b"x-remote-group", b"ops"),
            (b"x-remote-extra-authentication.kubernetes.io%2fcredential-id", b"X509SHA256=1"),
            (b"x-remote-extra-scopes", b"a"),
            (b"x-remote-extra-scopes", b"b"),
            (b"x-remote-uid", b"7"),
            (b"authorization", b"Bearer x"),
        ]
        self.assertEqual(
            TRUST.identity(headers),
            Identity(
                "jane",
                ("ops", "system:authenticated"),
                "7",
                (("authentication.kubernetes.io/credential-id", ("X509SHA256=1",)), ("scopes", ("a", "b"))),
                "requestheader",
            ),
        )

    def test_uid_is_not_believed_by_default(self) -> None:
        who = RequestHeaderTrust(b"").identity([(b"x-remote-user", b"jane"), (b"x-remote-uid", b"7")])
        self.assertEqual(who, Identity("jane", source="requestheader"))

    def test_nobody(self) -> None:
        for headers in ([], [(b"x-remote-group", b"g")], [(b"x-remote-user", b"")]):
            self.assertFalse(TRUST.names_user(headers))
            self.assertIsNone(TRUST.identity(headers))

    def test_two_users(self) -> None:
        self.assertRaises(Unauthenticated, TRUST.identity, [(b"x-remote-user", b"a"), (b"x-remote-user", b"b")])
        twice = TRUST.identity([(b"x-remote-user", b"a"), (b"x-remote-user", b"a")])
        self.assertEqual(twice, Identity("a", source="requestheader"))

    def test_not_utf8(self) -> None:
        self.assertRaises(Unauthenticated, TRUST.identity, [(b"x-remote-user", b"\xff")])

    def test_other_names(self) -> None:
        trust = RequestHeaderTrust(b"", (), ("X-First", "X-Second"), ("X-G", "X-H"), ("X-E-",), ())
        headers = [(b"x-second", b"late"), (b"x-h", b"2"), (b"x-g", b"1"), (b"x-e-k", b"v"), (b"x-remote-uid", b"7")]
        self.assertEqual(
            trust.identity(headers), Identity("late", ("1", "2"), "", (("k", ("v",)),), source="requestheader")
        )
        first = trust.identity([*headers, (b"x-first", b"early")])
        assert first is not None
        self.assertEqual(first.user, "early")

    @given(WORDS, st.lists(WORDS, unique=True), st.dictionaries(WORDS.map(str.lower), st.lists(WORDS, min_size=1)))
    def test_round_trip(self, user: str, groups: list[str], extra: dict[str, list[str]]) -> None:
        headers: Headers = [(b"x-remote-user", user.encode())]
        headers += [(b"x-remote-group", group.encode()) for group in groups]
        for key, values in extra.items():
            name = b"x-remote-extra-" + quote(key, safe="").lower().encode()
            headers += [(name, value.encode()) for value in values]
        who = TRUST.identity(headers)
        assert who is not None
        self.assertEqual((who.user, who.groups), (user, tuple(groups)))
        wanted: dict[str, tuple[str, ...]] = {}
        for key, values in extra.items():
            wanted[key.lower()] = (*wanted.get(key.lower(), ()), *values)
        self.assertEqual(dict(who.extra), wanted)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([b"x-remote-user", b"x-remote-uid", b"x-remote-group"])
                | st.binary(max_size=9).map(lambda rest: b"x-remote-extra-" + rest),
                st.binary(max_size=9),
            )
        )
    )
    def test_fails_in_no_other_way(self, headers: Headers) -> None:
        try:
            TRUST.identity(headers)
        except Unauthenticated:
            pass
