from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Conflict, Forbidden, GatewayError, HubUnavailable, NotFound, Unauthenticated
from clustergateway.kube.client import KubeClient
from clustergateway.model.gateway import Health
from clustergateway.model.identity import Attributes, Claims, Decision, Identity
from clustergateway.service.aggregated import UNHEARD, Aggregated
from clustergateway.settings import FeatureGates, Settings
from clustergateway.testing.hub import Answer, Asked, Body, FakeHub, begin, refuse, reply, silence, status, truncate

from ..authn.pki import NOW, authority, client

FRONT = authority("front-proxy-ca")
USERS = authority("users")
AGGREGATOR = client(FRONT, "front-proxy-client")
TOKEN = Claims(headers=((b"authorization", b"Bearer jane-token"),))
LIST = Attributes("list", group="cluster.core.oam.dev", version="v1alpha1", resource="clustergateways")
JANE = Identity("jane", ("system:authenticated",))

SECRETS = "/api/v1/namespaces/vela-system/secrets"
TRUST = "/api/v1/namespaces/kube-system/configmaps"
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def secret(name: str, version: str = "5", **annotations: str) -> dict[str, Any]:
    data = {"endpoint": f"https://{name}.test:6443", "token": "t", "ca.crt": USERS.pem.decode()}
    return {
        "metadata": {
            "name": name,
            "namespace": "vela-system",
            "uid": name,
            "resourceVersion": version,
            "labels": {"cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"},
            "annotations": annotations,
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def trust_map(**changed: str) -> dict[str, Any]:
    data = {
        "client-ca-file": USERS.pem.decode(),
        "requestheader-client-ca-file": FRONT.pem.decode(),
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system", "resourceVersion": "2"}
    return {"metadata": metadata, "data": {**data, **{key.replace("_", "-"): value for key, value in changed.items()}}}


def listed(version: str, *items: dict[str, Any]) -> Answer:
    return reply(200, {"metadata": {"resourceVersion": version}, "items": list(items)})


class HealthyHub(FakeHub):
    """
    A hub with one cluster, C{east}, whose user C{jane} may do everything; what goes wrong is put into C{faults}.

    @ivar faults: what happens to a call, by the name of the call.
    @ivar watches: bodies of the watches under way, the latest of each path.
    """

    def __init__(self) -> None:
        super().__init__(otherwise=self.route)
        self.faults: dict[str, Answer] = {}
        self.watches: dict[str, Body] = {}
        self.secrets = [secret("east")]
        self.version = "7"

    def name(self, asked: Asked) -> str:
        """What the call is for."""
        if asked.path in (SECRETS, TRUST):
            what = "secrets" if asked.path == SECRETS else "trust"
            return f"{'watch' if 'watch' in asked.query else 'list'} {what}"
        if asked.path.startswith(SECRETS):
            return "write health" if asked.method == "PATCH" else "read secret"
        return {TOKEN_REVIEWS: "review token", ACCESS_REVIEWS: "review access"}[asked.path]

    def route(self, asked: Asked) -> Any:
        name = self.name(asked)
        return self.faults.get(name, getattr(self, name.replace(" ", "_")))(asked)

    def list_secrets(self, asked: Asked) -> Any:
        return listed(self.version, *self.secrets)(asked)

    def list_trust(self, asked: Asked) -> Any:
        return listed("3", trust_map())(asked)

    def watch_secrets(self, asked: Asked) -> Any:
        body = self.watches[asked.path] = Body()
        return begin(body)

    watch_trust = watch_secrets

    def read_secret(self, asked: Asked) -> Any:
        wanted = [each for each in self.secrets if asked.path.endswith("/" + each["metadata"]["name"])]
        return (reply(200, wanted[0]) if wanted else status(404, "NotFound"))(asked)

    def write_health(self, asked: Asked) -> Any:
        changed = secret("east", "8", **asked.body["metadata"]["annotations"])
        return reply(200, changed)(asked)

    def review_token(self, asked: Asked) -> Any:
        known = asked.body["spec"]["token"] == "jane-token"
        return reply(201, {"status": {"authenticated": known, "user": {"username": "jane"}}})(asked)

    def review_access(self, asked: Asked) -> Any:
        return reply(201, {"status": {"allowed": asked.body["spec"]["user"] == "jane"}})(asked)


class HubClients:
    """Clients of a fake hub."""

    def __init__(self, hub: FakeHub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._client: KubeClient | None = None
        self.closed = False

    def client(self, kubeconfig: str = "") -> KubeClient:
        if self._client is None:
            self._client = self._hub.client(self._clock)
        return self._client

    def close(self) -> None:
        self.closed = True


FAULTS: dict[str, Answer] = {
    "refused": refuse,
    "slow": silence,
    "truncated": truncate(b'{"kind":'),
    "500": status(500, "InternalError", "etcd is away"),
    "429": status(429, "TooManyRequests", "later", retry_after="7"),
    "401": status(401, "Unauthorized"),
    "403": status(403, "Forbidden", "no"),
    "no JSON": reply(200, b"<html>"),
    "another JSON": reply(200, ["status", {"allowed": True, "authenticated": True}]),
    "no status": reply(200, {"kind": "Other"}),
    "a wrong status": reply(200, {"status": {"allowed": "true", "authenticated": True, "user": 7}}),
}


class AggregatedTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.hub = HealthyHub()

    def begin(self, settings: Settings = Settings()) -> Aggregated:  # noqa: B008 (frozen)
        self.clients = HubClients(self.hub, self.clock)
        self.trusted: list[bytes] = []
        sources = Aggregated(settings, self.clock, self.clients)
        sources.on_trust(lambda: self.trusted.append(sources.client_ca()))
        self.successResultOf(sources.start())
        self.addCleanup(sources.stop)
        return sources

    def outcome(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What it comes to, now or within the time that a call may take: a value, or an error."""
        results: list[Any] = []
        maybeDeferred(work, *arguments).addBoth(results.append)
        for _ in range(12):
            if not results:
                self.clock.advance(1)
        self.assertEqual(len(results), 1, "it never came to an end")
        return getattr(results[0], "value", results[0])

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)

    def each_fault(self) -> Iterator[str]:
        for name in FAULTS:
            self.setUp()
            yield name


class ReviewFaultsTests(AggregatedTestCase):
    """Whatever a review comes to: nobody is let in because of it, and nobody is sent away for good."""

    def test_token(self) -> None:
        for name in self.each_fault():
            with self.subTest(name):
                sources = self.begin()
                self.hub.faults["review token"] = FAULTS[name]
                error = self.outcome(sources.authenticator.authenticate, TOKEN)
                self.assertIsInstance(error, HubUnavailable)
                self.assertEqual((error.code, error.hop), (503, "hub"))
                self.assertNotIn("jane-token", error.message)
                self.hub.faults.clear()
                self.pass_time(2)
                self.assertEqual(self.outcome(sources.authenticator.authenticate, TOKEN).user, "jane")

    def test_access(self) -> None:
        for name in self.each_fault():
            with self.subTest(name):
                sources = self.begin()
                self.hub.faults["review access"] = FAULTS[name]
                error = self.outcome(sources.authorizer.authorize, JANE, LIST)
                self.assertIsInstance(error, HubUnavailable)
                self.assertEqual((error.code, error.hop), (503, "hub"))
                self.hub.faults.clear()
                self.pass_time(2)
                self.assertEqual(self.outcome(sources.authorizer.authorize, JANE, LIST), Decision(True))

    def test_access_to_a_cluster(self) -> None:
        outer = replace(LIST, verb="get", subresource="proxy", name="east")
        inner = Attributes("list", version="v1", resource="pods", namespace="default")
        for name in self.each_fault():
            with self.subTest(name):
                sources = self.begin(Settings(authorize_proxy_subpath=True))
                self.hub.faults["review access"] = FAULTS[name]
                ask = sources.proxy_authorizer.authorize_proxy
                self.assertIsInstance(self.outcome(ask, JANE, outer, inner, False), HubUnavailable)

    def test_what_was_answered_holds_until_its_time(self) -> None:
        for name in self.each_fault():
            with self.subTest(name):
                sources = self.begin()
                self.outcome(sources.authenticator.authenticate, TOKEN)
                self.outcome(sources.authorizer.authorize, JANE, LIST)
                self.hub.faults |= {"review token": FAULTS[name], "review access": FAULTS[name]}
                self.clock.advance(9)
                who = sources.authenticator.authenticate(TOKEN)
                assert isinstance(who, Identity)
                self.assertEqual(who.user, "jane")
                self.assertEqual(sources.authorizer.authorize(JANE, LIST), Decision(True))
                self.clock.advance(2)
                self.assertIsInstance(self.outcome(sources.authenticator.authenticate, TOKEN), HubUnavailable)
                self.assertIsInstance(self.outcome(sources.authorizer.authorize, JANE, LIST), HubUnavailable)

    def test_a_hub_that_hangs_is_found_out(self) -> None:
        """One waits for it, and with that it is known to all: to who asks next, to readyz, and to who scrapes."""
        sources = self.begin()
        self.pass_time(20)
        self.hub.otherwise = silence
        self.assertEqual(sources.problems(), {})
        self.assertIsInstance(self.outcome(sources.authorizer.authorize, JANE, LIST), HubUnavailable)
        error = self.failureResultOf(maybeDeferred(sources.authorizer.authorize, Identity("bob"), LIST), HubUnavailable)
        self.assertIn("did not answer lately", error.getErrorMessage())
        self.pass_time(3)
        problems = sources.problems()
        for place in ("hub, secrets", "hub, front proxy"):
            self.assertRegex(problems[place], r"of the hub have not been heard of for 3\d s: The hub did not answer")
        silent = {labels: value for _, _, _, values in sources.readings() for labels, value in values.items()}
        self.assertEqual(set(silent), {("secrets",), ("configmaps",)})
        for value in silent.values():
            self.assertGreater(value, 30)
        self.hub.otherwise = self.hub.route
        self.pass_time(30)
        self.assertEqual(sources.problems(), {})

    def test_timed(self) -> None:
        sources = self.begin()
        registry = CollectorRegistry()
        for collector in sources.collectors:
            registry.register(collector)
        self.outcome(sources.authorizer.authorize, JANE, LIST)
        name = "ocm_proxy_cluster_escalation_access_review_duration_seconds_count"
        self.assertEqual(registry.get_sample_value(name, {"success": "true"}), 1)

    def test_what_needs_no_hub(self) -> None:
        """Administrators, health and discovery are served whatever the hub does."""
        sources = self.begin()
        self.hub.faults = dict.fromkeys(("review token", "review access"), refuse)
        admin = Identity("admin", ("system:masters", "system:authenticated"))
        self.assertEqual(sources.authorizer.authorize(admin, LIST), Decision(True))
        for path in ("/healthz", "/apis", "/apis/cluster.core.oam.dev/v1alpha1", "/openapi/v2"):
            self.assertEqual(sources.authorizer.authorize(JANE, Attributes("get", path=path)), Decision(True), path)

    def test_a_no_is_a_no(self) -> None:
        sources = self.begin()
        decision = self.outcome(lambda: sources.authorizer.authorize(Identity("bob"), LIST))
        self.assertFalse(decision.allowed)
        self.assertIn('User "bob" cannot list resource "clustergateways"', decision.reason)
        stranger = Claims(headers=((b"authorization", b"Bearer bad"),))
        self.assertIsInstance(self.outcome(sources.authenticator.authenticate, stranger), Unauthenticated)


class ClusterFaultsTests(AggregatedTestCase):
    def test_list_fails_from_the_start(self) -> None:
        """Nothing is taken for an empty list; once it can be read, all is there."""
        for name in self.each_fault():
            with self.subTest(name):
                self.hub.faults["list secrets"] = FAULTS[name]
                sources = self.begin()
                self.pass_time(100)
                self.assertEqual(list(sources.unready()), ["the clusters are not read from the hub yet"])
                self.assertRaises(HubUnavailable, sources.version)
                self.assertIsInstance(self.outcome(sources.find, "east"), HubUnavailable)
                self.assertIn("have not been heard of for 1", sources.problems()["hub, secrets"])
                self.hub.faults.clear()
                self.pass_time(100)
                self.assertEqual(list(sources.unready()), [])
                self.assertEqual(sources.version(), 7)
                self.assertEqual(self.outcome(sources.find, "east").name, "east")
                self.assertEqual(sources.problems(), {})

    def test_watch_fails(self) -> None:
        """What is known stays served, and it is said since when it may be old; then it is caught up with."""
        for name in self.each_fault():
            with self.subTest(name):
                sources = self.begin()
                self.hub.faults |= {"watch secrets": FAULTS[name], "list secrets": FAULTS[name]}
                self.hub.watches[SECRETS].break_off()
                self.pass_time(60)
                self.assertEqual(list(sources.unready()), [])
                self.assertEqual(self.outcome(sources.find, "east").name, "east")
                self.assertIn("have not been heard of for", sources.problems()["hub, secrets"])
                silent = {labels: value for _, _, _, values in sources.readings() for labels, value in values.items()}
                self.assertGreater(silent["secrets",], 0)
                self.hub.faults.clear()
                self.hub.secrets.append(secret("west", "9"))
                self.hub.version = "9"
                self.pass_time(200)
                found = self.hub.watches[SECRETS]
                if sources.version() < 9:  # it went on watching from where it was
                    found.event("ADDED", **secret("west", "9"))
                self.assertEqual([each.name for each in sources.directory.all()], ["east", "west"])
                self.assertEqual((sources.version(), sources.problems()), (9, {}))

    def test_a_change_is_seen_and_an_end(self) -> None:
        sources = self.begin()
        events: list[tuple[str, str]] = []
        sources.directory.subscribe(lambda event, gateway: events.append((event, gateway.resource_version)))
        watch = self.hub.watches[SECRETS]
        watch.event("MODIFIED", **secret("east", "8", a="b"))
        watch.event("DELETED", **secret("east", "9"))
        self.assertEqual(events, [("MODIFIED", "8"), ("DELETED", "9")])
        self.assertIsInstance(self.outcome(sources.find, "east"), NotFound)

    def test_how_much_was_heard_of(self) -> None:
        """A bookmark says that nothing happened: nothing is newer than before, and more is known."""
        sources = self.begin()
        self.assertEqual((sources.version(), sources.heard()), (7, 7))
        self.hub.watches[SECRETS].event("BOOKMARK", kind="Secret", metadata={"resourceVersion": "20"})
        self.assertEqual(sources.heard(), 20)

    def test_expired(self) -> None:
        """After 410 everything is listed again; who numbers by versions is told the oldest first, and the ends last."""
        self.hub.secrets = [secret("a", "5"), secret("b", "6")]
        sources = self.begin()
        events: list[tuple[str, str, str]] = []
        sources.directory.subscribe(lambda event, it: events.append((event, it.name, it.resource_version)))
        self.hub.secrets = [secret("d", "30"), secret("b", "20", x="y"), secret("c", "10")]
        self.hub.version = "31"
        self.hub.watches[SECRETS].event("ERROR", kind="Status", code=410, reason="Expired")
        self.pass_time(5)
        wanted = [("ADDED", "c", "10"), ("MODIFIED", "b", "20"), ("ADDED", "d", "30"), ("DELETED", "a", "31")]
        self.assertEqual(events, wanted)

    def test_read_each_time(self) -> None:
        settings = Settings(feature_gates=FeatureGates(SecretCache=False))
        for name in self.each_fault():
            if name in ("no status", "a wrong status"):
                continue  # a Secret has none
            with self.subTest(name):
                sources = self.begin(settings)
                self.assertEqual(self.outcome(sources.find, "east").name, "east")
                self.hub.faults["read secret"] = FAULTS[name]
                error = self.outcome(sources.find, "east")
                self.assertIsInstance(error, HubUnavailable)
                self.assertEqual((error.code, error.cluster), (503, "east"))
                self.hub.faults.clear()
                self.assertEqual(self.outcome(sources.find, "east").name, "east")
                self.assertIsInstance(self.outcome(sources.find, "west"), NotFound)

    def test_read_each_time_needs_no_list(self) -> None:
        self.hub.faults["list secrets"] = FAULTS["403"]
        sources = self.begin(Settings(feature_gates=FeatureGates(SecretCache=False)))
        self.assertEqual(list(sources.unready()), [])
        self.assertEqual(self.outcome(sources.find, "east").name, "east")
        self.assertRaises(HubUnavailable, sources.version)


class TrustFaultsTests(AggregatedTestCase):
    FORWARDED = Claims(AGGREGATOR.der, (), ((b"x-remote-user", b"jane"),))

    def test_unheard(self) -> None:
        """As long as nobody knows whom to believe, nobody is believed, and nobody is called a stranger."""
        for name in self.each_fault():
            with self.subTest(name):
                self.hub.faults["list trust"] = FAULTS[name]
                sources = self.begin()
                self.pass_time(100)
                self.assertEqual(list(sources.unready()), [UNHEARD])
                self.assertEqual(sources.client_ca(), b"")
                for claims in (self.FORWARDED, Claims(client(USERS).der), Claims()):
                    error = self.outcome(sources.authenticator.authenticate, claims)
                    self.assertIsInstance(error, HubUnavailable)
                self.assertEqual(self.outcome(sources.authenticator.authenticate, TOKEN).user, "jane")
                self.hub.faults.clear()
                self.pass_time(100)
                self.assertEqual(list(sources.unready()), [])
                who = self.outcome(sources.authenticator.authenticate, self.FORWARDED)
                self.assertEqual((who.user, who.source), ("jane", "requestheader"))
                self.assertIsInstance(self.outcome(sources.authenticator.authenticate, Claims()), Unauthenticated)

    def test_who_was_not_asked(self) -> None:
        """A connection from before its certificate meant anything: the client has to come again, not to log in."""
        sources = self.begin()
        error = self.outcome(sources.authenticator.authenticate, Claims(outdated=True))
        self.assertIsInstance(error, HubUnavailable)
        self.assertEqual(self.outcome(sources.authenticator.authenticate, replace(TOKEN, outdated=True)).user, "jane")

    def test_the_last_good_one_stays(self) -> None:
        sources = self.begin()
        before = sources.client_ca()
        watch = self.hub.watches[TRUST]
        watch.event("MODIFIED", **trust_map(client_ca_file="nonsense"))
        self.assertEqual(sources.client_ca(), before)
        self.assertIn("cannot be used", sources.problems()["hub, front proxy"])
        watch.event("DELETED", **trust_map())
        self.assertEqual(sources.client_ca(), before)
        self.assertEqual(self.outcome(sources.authenticator.authenticate, self.FORWARDED).user, "jane")

    def test_a_new_one_is_told_once(self) -> None:
        sources = self.begin()
        self.hub.watches[TRUST].event("MODIFIED", **trust_map())
        self.assertEqual(self.trusted, [sources.client_ca()])
        other = authority("other")
        self.hub.watches[TRUST].event("MODIFIED", **trust_map(requestheader_client_ca_file=other.pem.decode()))
        self.assertEqual(len(self.trusted), 2)
        self.assertIsInstance(self.outcome(sources.authenticator.authenticate, self.FORWARDED), Unauthenticated)

    def test_header_names(self) -> None:
        names, prefixes = self.begin().identity_headers()
        self.assertEqual((names, prefixes), ({b"x-remote-user", b"x-remote-group"}, (b"x-remote-extra-",)))


class HealthFaultsTests(AggregatedTestCase):
    SICK = Health(False, "ConnectionTimeout")

    def test_written(self) -> None:
        sources = self.begin()
        gateway = self.outcome(sources.write, "east", self.SICK, "5")
        self.assertEqual((gateway.health, gateway.resource_version), (self.SICK, "8"))
        self.assertEqual(self.hub.asked[-1].body["metadata"]["resourceVersion"], "5")

    def test_not_written(self) -> None:
        for name in self.each_fault():
            if name in ("no status", "a wrong status"):
                continue  # a Secret has none
            with self.subTest(name):
                sources = self.begin()
                self.hub.faults["write health"] = FAULTS[name]
                error = self.outcome(sources.write, "east", self.SICK, "5")
                self.assertIsInstance(error, HubUnavailable)
                self.assertNotIsInstance(error, Forbidden)

    def test_conflict(self) -> None:
        sources = self.begin()
        self.hub.faults["write health"] = status(409, "Conflict", "changed")
        self.assertIsInstance(self.outcome(sources.write, "east", self.SICK, "4"), Conflict)


class LifeTests(AggregatedTestCase):
    def test_stop(self) -> None:
        sources = self.begin()
        sources.stop()
        self.assertTrue(self.hub.watches[SECRETS].hung_up)
        self.assertTrue(self.clients.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_file_that_is_not_there(self) -> None:
        sources = Aggregated(Settings(client_ca_file=self.mktemp()), self.clock, HubClients(self.hub, self.clock))
        started: Deferred[None] = sources.start()
        self.assertIsInstance(self.failureResultOf(started).value, GatewayError)

    def test_flags_stand(self) -> None:
        """With both files given the hub is not asked whom to believe."""
        paths = []
        for content in (USERS.pem, FRONT.pem):
            paths.append(self.mktemp())
            with open(paths[-1], "wb") as file:
                file.write(content)
        given = Settings(client_ca_file=paths[0], requestheader_client_ca_file=paths[1])
        sources = self.begin(given)
        self.assertEqual(list(sources.unready()), [])
        self.assertEqual(self.outcome(sources.authenticator.authenticate, TrustFaultsTests.FORWARDED).user, "jane")
        self.assertNotIn(TRUST, [asked.path for asked in self.hub.asked])
        self.assertNotIn("t0ken", json.dumps(sources.problems()))
