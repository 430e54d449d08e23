"""Tests for L{clustergateway.model.impersonation}."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Forbidden, HeadersTooLarge
from clustergateway.model.http1 import Fields, sort_fields
from clustergateway.model.identity import AUTHENTICATED_GROUP, Identity
from clustergateway.model.impersonation import ImpersonationPolicy, impersonation_lines

EVERYTHING = ImpersonationPolicy(drop=())

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text == text.strip(" "))
keys = st.text(st.characters(codec="utf-8"), min_size=1).map(str.lower)
identities = st.builds(
    Identity,
    texts,
    st.lists(texts, unique=True).map(tuple),
    st.one_of(st.just(""), texts),
    st.dictionaries(keys, st.lists(texts, min_size=1).map(tuple)).map(lambda extra: tuple(extra.items())),
)
anything = st.builds(
    Identity,
    st.text(),
    st.lists(st.text()).map(tuple),
    st.text(),
    st.dictionaries(st.text(), st.lists(st.text()).map(tuple)).map(lambda extra: tuple(extra.items())),
)


def as_upstream(lines: list[bytes]) -> Identity:
    """What a kube-apiserver makes of these header lines (k8s.io/apiserver, endpoints/filters/impersonation)."""
    user, uid, groups = "", "", []
    extra: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        assert not set(value) & {0, 10, 13}, "Go answers 400"
        lowered, text = name.decode("ascii").lower(), value.strip(b" \t").decode()
        if lowered == "impersonate-user":
            user = user or text
        elif lowered == "impersonate-uid":
            uid = uid or text
        elif lowered == "impersonate-group":
            groups.append(text)
        elif lowered.startswith("impersonate-extra-"):
            extra.setdefault(unquote(lowered[len("impersonate-extra-") :]), []).append(text)
    return Identity(user, tuple(groups), uid, tuple((key, tuple(values)) for key, values in extra.items()))


class LinesTests(SynchronousTestCase):
    def test_everything_has_its_own_line(self) -> None:
        jane = Identity("jane", ("dev", "ops"), "42", (("scopes", ("a", "b")),))
        self.assertEqual(
            impersonation_lines(jane),
            (
                b"Impersonate-User: jane",
                b"Impersonate-Group: dev",
                b"Impersonate-Group: ops",
                b"Impersonate-Uid: 42",
                b"Impersonate-Extra-scopes: a",
                b"Impersonate-Extra-scopes: b",
            ),
        )

    def test_the_group_that_the_cluster_adds_is_left_out(self) -> None:
        self.assertEqual(impersonation_lines(Identity("jane", (AUTHENTICATED_GROUP,))), (b"Impersonate-User: jane",))

    def test_keys_are_escaped_as_client_go_does(self) -> None:
        lines = impersonation_lines(Identity("jane", extra=(("Example.com/50% ü", ("x",)),)), EVERYTHING)
        self.assertEqual(lines[1], b"Impersonate-Extra-example.com%2F50%25%20%C3%BC: x")

    def test_names_are_utf8(self) -> None:
        self.assertEqual(impersonation_lines(Identity("jürgen"))[0], "Impersonate-User: jürgen".encode())

    def test_what_cannot_travel_is_refused(self) -> None:
        for user in (
            "",
            "a\r\nImpersonate-Group: system:masters",
            "a\nb",
            "a\0b",
            "a\x7fb",
            " a",
            "a ",
            "a\t",
            "\ud800",
        ):
            self.assertRaises(Forbidden, impersonation_lines, Identity(user))
            self.assertRaises(Forbidden, impersonation_lines, Identity("jane", (user,)))
        for uid in ("a\rb", "a "):
            self.assertRaises(Forbidden, impersonation_lines, Identity("jane", uid=uid))
        for extra in (("", ("x",)), ("k", ("x\n",)), ("\udfff", ("x",))):
            self.assertRaises(Forbidden, impersonation_lines, Identity("jane", extra=(extra,)))

    def test_the_message_does_not_carry_what_is_refused(self) -> None:
        error = self.assertRaises(Forbidden, impersonation_lines, Identity("jane\r\nX-Evil: 1"))
        self.assertNotIn("\r", error.message)

    def test_too_many_groups(self) -> None:
        policy = ImpersonationPolicy(max_groups=2)
        impersonation_lines(Identity("jane", ("a", "b", AUTHENTICATED_GROUP)), policy)
        error = self.assertRaises(HeadersTooLarge, impersonation_lines, Identity("jane", ("a", "b", "c")), policy)
        self.assertEqual(error.code, 431)
        self.assertIn("3 groups", error.message)

    def test_too_many_bytes(self) -> None:
        line = len(b"Impersonate-User: jane\r\n")
        impersonation_lines(Identity("jane"), ImpersonationPolicy(max_bytes=line))
        too_small = ImpersonationPolicy(max_bytes=line - 1)
        self.assertRaises(HeadersTooLarge, impersonation_lines, Identity("jane"), too_small)


class PolicyTests(SynchronousTestCase):
    identity = Identity(
        "jane", extra=(("authentication.kubernetes.io/credential-id", ("X",)), ("scopes", ("a",)), ("team", ("b",)))
    )

    def shown(self, policy: ImpersonationPolicy) -> list[str]:
        return [key for key, _ in policy.shown(self.identity).extra]

    def test_extras_about_the_credential_are_dropped_unless_asked_for(self) -> None:
        self.assertEqual(self.shown(ImpersonationPolicy()), ["scopes", "team"])
        self.assertEqual(len(self.shown(EVERYTHING)), 3)

    def test_keep_and_drop(self) -> None:
        self.assertEqual(self.shown(ImpersonationPolicy(keep=("scopes",))), ["scopes"])
        self.assertEqual(self.shown(ImpersonationPolicy(keep=())), [])
        self.assertEqual(self.shown(ImpersonationPolicy(keep=("s*", "t*"), drop=("team",))), ["scopes"])

    def test_case_does_not_get_an_extra_past(self) -> None:
        shouted = Identity("jane", extra=(("AUTHENTICATION.kubernetes.io/x", ("X",)),))
        self.assertEqual(impersonation_lines(shouted), (b"Impersonate-User: jane",))


client_names = st.sampled_from(
    [
        *(
            b"Impersonate-User",
            b"impersonate-group",
            b"IMPERSONATE-UID",
            b"Impersonate-Extra-Scopes",
            b"Impersonate_User",
        ),
        *(b"X-Remote-User", b"X-Remote-Group", b"Authorization", b"Accept", b"X-Other", b"Connection", b"Cookie"),
    ]
)
client_values = st.sampled_from([b"root", b"system:masters", b"close", b"Impersonate-User", b"Bearer abc", b"*/*", b""])


def passed_on(client: list[tuple[bytes, bytes]]) -> Fields:
    return sort_fields([b"Host: x", *(b"%s: %s" % field for field in client)], b"HTTP/1.1")


class PropertyTests(SynchronousTestCase):
    @given(identities)
    def test_what_arrives_is_what_was_meant(self, identity: Identity) -> None:
        expected = EVERYTHING.shown(identity)
        self.assertEqual(as_upstream(list(impersonation_lines(identity, EVERYTHING))), expected)

    @given(anything)
    def test_any_identity_arrives_as_it_is_or_not_at_all(self, identity: Identity) -> None:
        try:
            lines = impersonation_lines(identity, EVERYTHING)
        except Forbidden:
            return
        arrived = as_upstream(list(lines))
        shown = EVERYTHING.shown(identity)
        self.assertEqual((arrived.user, arrived.groups, arrived.uid), (shown.user, shown.groups, shown.uid))
        wanted: dict[str, list[str]] = {}
        for key, values in shown.extra:
            if values:
                wanted.setdefault(key.lower(), []).extend(values)
        self.assertEqual({key: list(values) for key, values in arrived.extra}, wanted)

    @given(st.lists(st.tuples(client_names, client_values)), identities)
    @settings(max_examples=200)
    def test_no_header_of_the_client_adds_to_it(self, client: list[tuple[bytes, bytes]], identity: Identity) -> None:
        passed = list(passed_on(client).lines)
        lines = [*passed, *impersonation_lines(identity, EVERYTHING)]
        self.assertEqual(as_upstream(lines), EVERYTHING.shown(identity))
        # Servers that read an underscore as a dash see no other either.
        self.assertEqual(as_upstream([line.replace(b"_", b"-") for line in passed]), Identity(""))
