"""Tests for L{clustergateway.pipeline}: each step refuses what it must, and the head that leaves is exactly right."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.exchange import Exchanged
from clustergateway.errors import (
    BadRequest,
    ClusterUnavailable,
    CredentialUnavailable,
    Forbidden,
    GatewayError,
    Unauthenticated,
    UnknownCluster,
)
from clustergateway.interfaces import Entry
from clustergateway.model.gateway import ClusterGateway, Endpoint, Health, NoCredential
from clustergateway.model.http1 import RequestHead, parse_request
from clustergateway.model.identity import ANONYMOUS, Attributes, Claims, Decision, Identity
from clustergateway.model.record import Record
from clustergateway.pipeline import PARSED, Pipeline
from clustergateway.settings import Limits
from clustergateway.transport.forward import Forward

PREFIX = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy"
JANE = Identity("jane", ("developers", "system:authenticated"))
EAST = ClusterGateway("east", (Endpoint("east.example", 6443, base_path="/k8s"),), NoCredential(), generation="1")


@dataclass(slots=True)
class FakeEntry:
    token: str = "t0ken"
    certificate: bytes = b""
    key: bytes = b""
    version: str = "1"


class FakeUpstream:
    def close(self) -> None:
        pass


class World:
    """Every neighbour of the pipeline: what each answers, and what each was asked."""

    def __init__(self) -> None:
        self.identity: Identity | Deferred[Identity | None] | None = JANE
        self.decision: Decision | Deferred[Decision] = Decision(True)
        self.entries: list[FakeEntry | Deferred[Entry] | Exception] = [FakeEntry()]
        self.clusters = {"east": EAST}
        self.asked: list[tuple[Identity, Attributes, Attributes, bool]] = []
        self.refreshable = False
        self.upstream = FakeUpstream()

    def authenticate(self, claims: Claims) -> Identity | Deferred[Identity | None] | None:
        return self.identity

    def authorize_proxy(
        self, who: Identity, outer: Attributes, inner: Attributes, upgrade: bool
    ) -> Decision | Deferred[Decision]:
        self.asked.append((who, outer, inner, upgrade))
        return self.decision

    def get(self, name: str) -> ClusterGateway:
        if name not in self.clusters:
            raise UnknownCluster(f"no cluster {name}", cluster=name)
        return self.clusters[name]

    def entry(self, cluster: ClusterGateway) -> Entry | Deferred[Entry]:
        entry = self.entries[0] if len(self.entries) == 1 else self.entries.pop(0)
        if isinstance(entry, Exception):
            raise entry
        return entry

    def rejected(self, cluster: ClusterGateway, entry: object) -> bool:
        return self.refreshable


def head(target: str = PREFIX + "/api/v1/pods", method: str = "GET", *lines: str) -> RequestHead:
    text = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway", *lines, "", ""])
    parsed = parse_request(text.encode("latin-1"), Limits())
    assert parsed is not None
    return parsed


class PipelineTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.clock = Clock()
        self.pipeline = Pipeline(
            self.world, self.world, self.world.get, self.world, lambda cluster, entry: self.world.upstream, self.clock
        )

    def decide(self, request: RequestHead) -> Forward:
        forward = self.pipeline.decide(request, Claims(address="192.0.2.1"))
        assert isinstance(forward, Forward)
        return forward

    def test_a_warm_request_is_decided_at_once(self) -> None:
        forward = self.decide(head(PREFIX + "/api/v1/pods?watch=1", "GET", "Accept: application/json", "Audit-Id: 7"))
        self.assertEqual(
            forward.head,
            b"GET /k8s/api/v1/pods?watch=1 HTTP/1.1\r\nAccept: application/json\r\nAudit-Id: 7\r\n"
            b"Host: east.example:6443\r\nAuthorization: Bearer t0ken\r\n\r\n",
        )
        self.assertIs(forward.upstream, self.world.upstream)
        record = forward.record
        self.assertEqual((record.verb, record.resource, record.cluster), ("watch", "pods", "east"))
        self.assertEqual((record.identity, record.audit_id, record.address), (JANE, "7", "192.0.2.1"))

    def test_the_path_is_kept_to_the_byte(self) -> None:
        for rest in ("", "/", "/a/", "/a%2Fb", "/a//b", "/a?", "/a?dryRun=All&dryRun=None", "/a?b=%20+", "/~a;b,c"):
            sent = self.decide(head(PREFIX + rest)).head.split(b" ")[1].decode()
            self.assertEqual(sent, "/k8s" + (rest or "/"))

    def test_identity_of_the_client_does_not_travel(self) -> None:
        sent = self.decide(
            head(
                PREFIX + "/a", "GET", "Authorization: Bearer mine", "Cookie: c=1", "X-Remote-User: root",
                "Impersonate-User: root", "X-Forwarded-For: 10.0.0.1", "X_Remote_Group: g",
            )
        ).head  # fmt: skip
        self.assertEqual(sent.count(b"\r\n"), 4)
        for word in (b"mine", b"Cookie", b"root", b"Forwarded", b"Remote"):
            self.assertNotIn(word, sent)

    def test_an_upgrade_says_so_to_the_cluster(self) -> None:
        sent = self.decide(head(PREFIX + "/a", "POST", "Connection: Upgrade", "Upgrade: SPDY/3.1")).head
        self.assertIn(b"\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n", sent)
        self.assertTrue(self.world.asked[0][3])

    def test_what_is_authorized(self) -> None:
        self.decide(head(PREFIX + "/api/v1/namespaces/default/pods", "POST", "Content-Length: 0"))
        ((who, outer, inner, upgrade),) = self.world.asked
        self.assertEqual(who, JANE)
        self.assertEqual(
            outer,
            Attributes(
                "create", "cluster.core.oam.dev", "v1alpha1", "clustergateways", subresource="proxy", name="east"
            ),
        )
        self.assertEqual((inner.verb, inner.resource, inner.namespace), ("create", "pods", "default"))
        self.assertFalse(upgrade)

    def test_outer_verbs_are_the_hubs(self) -> None:
        expected = {
            "GET": "get", "HEAD": "get", "OPTIONS": "get", "POST": "create", "PUT": "update", "PATCH": "patch",
            "DELETE": "delete",
        }  # fmt: skip
        for method, verb in expected.items():
            self.decide(head(PREFIX + "/a", method))
            self.assertEqual(self.world.asked[-1][1].verb, verb)

    def test_nobody_is_refused(self) -> None:
        for nobody in (None, ANONYMOUS):
            self.world.identity = nobody
            self.assertRaises(Unauthenticated, self.decide, head())
        self.assertEqual(self.world.asked, [])

    def test_not_allowed(self) -> None:
        self.world.decision = Decision(False, "jane may not")
        with self.assertRaises(Forbidden) as caught:
            self.decide(head())
        self.assertEqual(caught.exception.message, "jane may not")

    def test_an_unknown_cluster_is_asked_about_only_by_who_may_know(self) -> None:
        del self.world.clusters["east"]
        self.assertRaises(UnknownCluster, self.decide, head())
        self.world.decision = Decision(False, "no")
        self.assertRaises(Forbidden, self.decide, head())

    def test_not_routed_to(self) -> None:
        self.world.clusters["east"] = replace(EAST, unroutable="it is being deleted")
        with self.assertRaises(ClusterUnavailable) as caught:
            self.decide(head())
        self.assertIn("being deleted", caught.exception.message)

    def check_health(self, on: bool) -> None:
        self.pipeline = Pipeline(
            self.world, self.world, self.world.get, self.world, lambda *_: self.world.upstream, self.clock,
            check_health=on,
        )  # fmt: skip

    def test_a_cluster_known_to_be_unhealthy_is_not_bothered_if_health_counts(self) -> None:
        self.world.clusters["east"] = replace(EAST, health=Health(False, "ConnectionTimeout"))
        self.decide(head())
        self.check_health(True)
        with self.assertRaises(ClusterUnavailable) as caught:
            self.decide(head())
        self.assertIn("ConnectionTimeout", caught.exception.message)

    def test_whoever_probes_can_see_it_recover(self) -> None:
        self.world.clusters["east"] = replace(EAST, health=Health(False))
        self.check_health(True)
        for path in ("/healthz", "/livez", "/readyz?verbose", "/readyz/etcd"):
            self.decide(head(PREFIX + path))

    def test_unknown_health_is_no_reason(self) -> None:
        self.check_health(True)
        for health in (Health(), Health(True), Health(None, "Unknown: its agent is silent")):
            self.world.clusters["east"] = replace(EAST, health=health)
            self.decide(head())

    def test_no_credential(self) -> None:
        self.world.entries = [CredentialUnavailable("the plugin failed")]
        self.assertRaises(CredentialUnavailable, self.decide, head())

    def test_climbing_is_refused(self) -> None:
        self.assertRaises(BadRequest, self.decide, head(PREFIX + "/../../west/proxy/api"))
        self.assertRaises(BadRequest, self.decide, head(PREFIX + "/openapi/../api/v1/secrets"))
        self.assertRaises(BadRequest, self.decide, head(PREFIX + "/api/v1/nodes//n/proxy/run"))

    def test_every_step_may_take_its_time(self) -> None:
        who: Deferred[Identity | None] = Deferred()
        may: Deferred[Decision] = Deferred()
        entry: Deferred[Entry] = Deferred()
        self.world.identity, self.world.decision, self.world.entries = who, may, [entry]
        later = self.pipeline.decide(head(), Claims())
        assert isinstance(later, Deferred)
        who.callback(JANE)
        may.callback(Decision(True))
        self.assertNoResult(later)
        self.clock.advance(3)
        entry.callback(FakeEntry())
        forward = self.successResultOf(later)
        self.assertEqual(forward.record.decided, 3)
        self.assertEqual(forward.record.started, 0)

    def test_a_new_credential_is_used_at_once(self) -> None:
        self.world.entries = [FakeEntry("one"), FakeEntry("two")]
        self.assertIn(b"Bearer one", self.decide(head()).head)
        self.assertIn(b"Bearer two", self.decide(head()).head)

    def test_a_rejected_credential_is_tried_once_more_if_there_may_be_another(self) -> None:
        self.world.refreshable = True
        self.world.entries = [FakeEntry("old"), FakeEntry("new")]
        forward = self.decide(head())
        assert forward.rejected is not None
        again = forward.rejected()
        assert isinstance(again, Forward)
        self.assertIn(b"Bearer new", again.head)
        self.assertIsNone(again.rejected)
        self.assertIs(again.record, forward.record)

    def test_a_rejected_credential_without_another(self) -> None:
        forward = self.decide(head())
        assert forward.rejected is not None
        self.assertIsNone(forward.rejected())

    def exchanging(self, always: bool) -> None:
        def exchange(who: Identity, cluster: ClusterGateway, what: Attributes) -> Exchanged:
            return Exchanged(Identity("mapped"), "rule", b"Impersonate-User: mapped\r\n")

        self.pipeline = Pipeline(
            self.world, self.world, self.world.get, self.world, lambda *_: self.world.upstream, self.clock,
            exchange, always,
        )  # fmt: skip

    def test_the_cluster_is_entered_as_whom_the_exchange_says(self) -> None:
        self.exchanging(always=False)
        forward = self.decide(head(PREFIX + "/a?impersonate=true&b=c", "GET", "Impersonate-User: root"))
        self.assertIn(b"\r\nImpersonate-User: mapped\r\n", forward.head)
        self.assertNotIn(b"root", forward.head)
        self.assertTrue(forward.head.startswith(b"GET /k8s/a?b=c HTTP/1.1\r\n"))
        self.assertEqual(forward.record.rule, "rule")
        self.assertEqual(forward.record.impersonated, Identity("mapped"))
        self.assertNotIn(b"Impersonate", self.decide(head(PREFIX + "/a")).head)

    def test_nobody_can_opt_out_of_the_exchange(self) -> None:
        self.exchanging(always=True)
        for query in ("", "?impersonate=false"):
            self.assertIn(b"Impersonate-User: mapped", self.decide(head(PREFIX + "/a" + query)).head)

    def test_the_record_of_a_refused_request(self) -> None:
        record = self.pipeline.refused(head(), Claims(), Forbidden("no", cluster="east"))
        self.assertEqual((record.code, record.cause, record.verb), (403, "no", "list"))
        # That is for the exchange to say: the client may be gone, or the gateway have failed.
        self.assertEqual(record.outcome, "")

    def test_the_record_of_a_stranger_says_where_they_knocked(self) -> None:
        self.world.identity = None
        request = head()
        error = self.assertRaises(Unauthenticated, self.pipeline.decide, request, Claims())
        record = self.pipeline.refused(request, Claims(), error)
        self.assertEqual((record.identity, record.cluster, record.resource), (ANONYMOUS, "east", "pods"))

    def test_for_whom_a_front_proxy_asks(self) -> None:
        """And nobody else is believed."""
        request = head(PREFIX + "/version", "GET", "X-Forwarded-For: 192.0.2.7", "X-Real-Ip: 192.0.2.8")
        claims = Claims(address="10.0.0.1", forwarded=request.forwarded)
        for source, expected in (
            ("requestheader", ["192.0.2.7", "192.0.2.8", "10.0.0.1"]),
            *((source, ["10.0.0.1"]) for source in ("x509", "tokenreview", "tokenfile", "")),
        ):
            self.world.identity = replace(JANE, source=source)
            forward = self.pipeline.decide(request, claims)
            assert isinstance(forward, Forward)
            self.assertEqual(forward.record.addresses, expected)
            self.assertNotIn(b"192.0.2", forward.head)
        self.assertEqual(self.pipeline.refused(request, claims, Forbidden("no")).addresses, ["10.0.0.1"])
        self.world.identity = replace(ANONYMOUS, source="requestheader")
        error = self.assertRaises(Unauthenticated, self.pipeline.decide, request, claims)
        self.assertEqual(self.pipeline.refused(request, claims, error).forwarded, ("192.0.2.7", "192.0.2.8"))

    def test_a_refusal_by_a_rule_names_it(self) -> None:
        error = Forbidden("no")
        error.rule = "partners"
        record = self.pipeline.refused(head(PREFIX + "/a", "POST", "Content-Length: 5"), Claims(), error)
        self.assertEqual((record.rule, record.reason, record.unread), ("partners", "Forbidden", True))
        assert record.refusal is not None
        self.assertEqual(record.refusal["message"], "no")
        self.assertFalse(self.pipeline.refused(head(), Claims(), error).unread)

    def test_remembered_targets_are_bounded(self) -> None:
        for number in range(PARSED + 10):
            self.pipeline.parse(head(f"{PREFIX}/{number}"))
        self.assertLessEqual(len(self.pipeline._asked), PARSED)


_CLAIMING = ("Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-", "X-Remote-User")
_NAMES = st.one_of(
    st.sampled_from((*_CLAIMING, "X-Remote-Group", "Authorization", "Cookie", "Connection", "Upgrade", "Accept", "Te")),
    st.text("!#$%&'*+-.^_`|~abcXYZ019", min_size=1, max_size=12),
)


_VALUES = ("admin", "system:masters", "Impersonate-User", "upgrade", "close", "SPDY/3.1", "a, Authorization", "")


@st.composite
def _lines(draw: st.DrawFn) -> str:
    """A header line, its name perhaps in another case, with other dashes, or with something behind it."""
    name = draw(_NAMES) + draw(st.sampled_from(("", "", "", "x", "-", "_", "%2f")))
    name = draw(st.sampled_from((str, str.lower, str.upper, lambda text: text.replace("-", "_"))))(name)
    return f"{name}:{draw(st.sampled_from(('', ' ', chr(9))))}{draw(st.sampled_from(_VALUES))}"


def _claims(line: bytes) -> bool:
    """May some server take this for a claim to be somebody?"""
    name = line.partition(b":")[0].lower().replace(b"_", b"-")
    exact = (b"authorization", b"proxy-authorization", b"cookie")
    return name.startswith((b"impersonate-", b"x-remote-")) or name in exact


class IdentityTests(SynchronousTestCase):
    """Whatever a client sends, the cluster is shown the identity that was decided, and the gateway's credential."""

    @given(
        st.lists(_lines(), max_size=8), st.sampled_from([(b"Impersonate-User: mapped", b"Impersonate-Group: a"), ()])
    )
    @example(["Connection: Impersonate-User", "Impersonate-User: admin"], (b"Impersonate-User: mapped",))
    @example(["IMPERSONATE_USER: admin"], ())
    def test_nobody_else(self, lines: list[str], decided: tuple[bytes, ...]) -> None:
        world = World()
        exchanged = Exchanged(Identity("mapped"), "rule", b"".join(line + b"\r\n" for line in decided))
        pipeline = Pipeline(
            *(world, world, world.get, world, lambda cluster, entry: world.upstream, Clock()),
            lambda *asked: exchanged,
            always_exchange=True,
        )
        try:
            request = head(PREFIX + "/api/v1/pods", "GET", *lines)
        except GatewayError:
            return
        forward = pipeline.decide(request, Claims())
        assert isinstance(forward, Forward)
        block, end, more = forward.head.partition(b"\r\n\r\n")
        self.assertEqual((end, more), (b"\r\n\r\n", b""))
        sent = block.split(b"\r\n")[1:]
        self.assertNotIn(b"\n", b"".join(sent))
        self.assertEqual([line for line in sent if _claims(line)], [*decided, b"Authorization: Bearer t0ken"])
        # A connection names none of them: whoever removes what it names would remove who is meant.
        options = [line.lower() for line in sent if line.lower().startswith(b"connection:")]
        self.assertIn(options, ([], [b"connection: upgrade"]))


class AuditTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.begun: list[tuple[Record, Attributes]] = []
        self.tap = object()
        self.pipeline = Pipeline(
            self.world,
            self.world,
            self.world.get,
            self.world,
            lambda cluster, entry: self.world.upstream,
            Clock(),
            audit=self,  # type: ignore[arg-type]  # all of it that is used
        )

    def audit_id(self, given: str) -> str:
        return "made" if given in ("", "too long") else given

    def begin(self, record: Record, attributes: Attributes, head: RequestHead) -> object:
        self.begun.append((record, attributes))
        return self.tap

    def test_what_is_forwarded_is_told(self) -> None:
        forward = self.pipeline.decide(head(PREFIX + "/apis/apps/v1/deployments"), Claims())
        assert isinstance(forward, Forward)
        self.assertIs(forward.tap, self.tap)
        self.assertEqual([(forward.record, "deployments")], [(record, what.resource) for record, what in self.begun])
        self.assertEqual((forward.record.group, forward.record.version), ("apps", "v1"))

    def test_the_audit_id_goes_along(self) -> None:
        for lines, expected in (
            *(((), b"made"), (("Audit-Id: 7",), b"7")),
            *((("Audit-Id: 7", "audit-id: 8"), b"8"), (("Audit-Id: too long",), b"made")),
        ):
            forward = self.pipeline.decide(head(PREFIX + "/version", "GET", *lines), Claims())
            assert isinstance(forward, Forward)
            sent = [line for line in forward.head.split(b"\r\n") if line.lower().startswith(b"audit-id")]
            self.assertEqual((sent, forward.record.audit_id), ([b"Audit-Id: " + expected], expected.decode()))
            self.assertEqual(forward.record.path, "/version")

    def test_the_audit_id_goes_along_if_nothing_is_audited(self) -> None:
        world = self.world
        pipeline = Pipeline(world, world, world.get, world, lambda cluster, entry: world.upstream, Clock())
        forward = pipeline.decide(head(PREFIX + "/version", "GET", "Audit-Id: 7"), Claims())
        assert isinstance(forward, Forward)
        self.assertEqual((forward.head.count(b"Audit-Id: 7\r\n"), forward.tap), (1, None))

    def test_a_refusal_tells_who_it_was(self) -> None:
        self.world.decision = Decision(False, "no")
        request = head()
        error = self.assertRaises(Forbidden, self.pipeline.decide, request, Claims())
        record = self.pipeline.refused(request, Claims(), error)
        self.assertEqual((record.identity, record.cluster, record.code), (JANE, "east", 403))
        self.assertEqual((record.audit_id, record.resource), ("made", "pods"))
        self.assertEqual(self.begun, [])

    def test_nothing_is_kept(self) -> None:
        self.pipeline.decide(head(), Claims())
        self.world.decision = Decision(False, "no")
        request = head()
        error = self.assertRaises(Forbidden, self.pipeline.decide, request, Claims())
        self.pipeline.refused(request, Claims(), error)
        self.assertEqual(self.pipeline._undecided, {})
