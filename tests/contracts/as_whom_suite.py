"""Contracts: whoever a caller is made of has exactly that identity's rights in the cluster, and nobody gets more."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any
from uuid import uuid4

from twisted.trial.unittest import SynchronousTestCase

from tests.lines import logged, whole_lines
from tests.model.test_auditevent import wrong

from .as_whom import REVIEW, REVIEW_BODY, Answer, AsWhom, request
from .hub_processes import PATH, eventually

MAPS = "/api/v1/namespaces/default/configmaps"
REQUESTS = {
    "get": ("GET", f"{MAPS}/kube-root-ca.crt"),
    "list": ("GET", MAPS),
    "create": ("POST", f"{MAPS}?dryRun=All"),
    "delete": ("DELETE", f"{MAPS}/kube-root-ca.crt?dryRun=All"),
    "secrets": ("GET", "/api/v1/namespaces/default/secrets"),
    "elsewhere": ("GET", "/api/v1/namespaces/kube-system/configmaps"),
    "nodes": ("GET", "/api/v1/nodes"),
    "roles": ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
}
A_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}}
AUTHENTICATED = "system:authenticated"
JANE = {"username": "jane", "groups": ["dev", AUTHENTICATED]}
CLAIMS = ("User: admin", "Group: system:masters", "Uid: 0", "Extra-Example.com%2fteam: red")


class AsWhomTestCase(SynchronousTestCase):
    """
    @ivar cluster: which of the clusters.
    """

    cluster = "plain"
    here: AsWhom

    def make_world(self) -> AsWhom:
        raise NotImplementedError

    def setUp(self) -> None:
        self.here = self.make_world()

    def call(self, pair: Any, method: str, path: str, *lines: str, body: Any = None, cluster: str = "") -> Answer:
        return self.here.call(pair, method, path, *lines, body=body, cluster=cluster or self.cluster)

    def allowed(self, pair: Any) -> set[str]:
        """What of L{REQUESTS} this caller may do through the gateway."""
        found = {
            name: self.call(pair, method, path, body=A_MAP if method == "POST" else None).code
            for name, (method, path) in REQUESTS.items()
        }
        return _allowed(found)

    def allowed_past_it(self, name: str, *groups: str) -> set[str]:
        """What a user of the managed cluster may do there."""
        pair = self.here.world.pair(self.here.world.managed, name, *groups)
        found = {
            what: self.here.ask_managed(pair, method, path, A_MAP if method == "POST" else None)[0]
            for what, (method, path) in REQUESTS.items()
        }
        return _allowed(found)

    def identity(self, answer: Answer, **expected: Any) -> None:
        """The managed cluster took the caller for exactly this user."""
        self.assertEqual(answer.code, 201, answer.body)
        user = answer.user
        self.assertEqual({**user, "groups": sorted(user["groups"])}, {**expected, "groups": sorted(expected["groups"])})


def _holds(log: Path, text: str) -> bool:
    return any(text in line for line in whole_lines(log))


def _allowed(codes: dict[str, int]) -> set[str]:
    unclear = {name: code for name, code in codes.items() if code not in (200, 201, 403, 404)}
    assert not unclear, unclear
    return {name for name, code in codes.items() if code != 403}


class Mapped(AsWhomTestCase):
    """Rules of every type, and none."""

    def review(self, name: str, *groups: str) -> Answer:
        return self.here.review(name, *groups, cluster=self.cluster)

    def test_static(self) -> None:
        for name in ("jim", "admin"):
            answer = self.review(name, "team-a", "system:masters")
            self.identity(answer, username="reader", groups=["viewers", AUTHENTICATED], uid="7")
        pair = self.here.user("jim", "team-a", "system:masters")
        self.assertEqual(self.allowed(pair), {"get", "list"})
        self.assertEqual(self.allowed_past_it("reader", "viewers"), {"get", "list"})

    def test_static_of_the_cluster_itself(self) -> None:
        self.identity(self.review("local"), username="deployer", groups=[AUTHENTICATED])
        self.assertEqual(self.allowed(self.here.user("local")), {"create"})
        self.assertEqual(self.allowed_past_it("deployer"), {"create"})

    def test_privileged(self) -> None:
        answer = self.review("robot", "team-a")
        self.assertEqual(answer.user["username"], f"gateway-{self.cluster}")
        self.assertEqual(self.allowed(self.here.user("robot")), {"nodes"})
        self.assertEqual(self.allowed_past_it(f"gateway-{self.cluster}"), {"nodes"})

    def test_nobody_is_made_of_a_caller_without_a_rule(self) -> None:
        self.identity(self.review("jane", "dev"), **JANE)
        self.assertEqual(self.allowed(self.here.user("jane", "dev")), {"get", "list"})
        self.assertEqual(self.allowed_past_it("jane", "dev"), {"get", "list"})
        self.assertEqual(self.allowed(self.here.user("jane")), {"get"})

    def test_an_erroneous_rule(self) -> None:
        answer = self.review("unlucky", "team-a")
        self.assertEqual(answer.code, 403)
        self.assertIn("broken", answer.json["message"])

    def test_too_many_groups(self) -> None:
        answer = self.review("jane", *(f"g{number}" for number in range(30)))
        self.assertEqual(answer.code, 431)
        self.assertIn("30 groups", answer.json["message"])


class Asked(Mapped):
    """Also whom a webhook names."""

    def test_external(self) -> None:
        extra = {"example.com/team": ["blue", "grün"]}
        expected = {"username": "partner:joe", "groups": ["company:partner", AUTHENTICATED], "extra": extra}
        self.identity(self.review("joe@partner"), **expected)
        asked = [
            (each["rule"], each["groups"], each["resourceAttributes"]["resource"])
            for each in self.here.webhook.asked
            if (each["user"], each["cluster"]) == ("joe@partner", self.cluster)
        ]
        self.assertIn(("partners", [AUTHENTICATED], "selfsubjectreviews"), asked)
        self.assertEqual(self.allowed(self.here.user("joe@partner")), {"get", "list"})
        self.assertEqual(self.allowed_past_it("partner:joe", "company:partner"), {"get", "list"})

    def test_external_is_asked_once(self) -> None:
        pair = self.here.user("ann@partner")
        before = len(self.here.webhook.asked)
        for _ in range(3):
            self.call(pair, "GET", MAPS)
        self.assertEqual(len(self.here.webhook.asked), before + 1)

    def test_external_refuses_and_fails(self) -> None:
        for company, code, message in (
            *(("nowhere", 403, "nobody knows nowhere"), ("500", 503, "answered 500"), ("302", 503, "answered 302")),
            *(("html", 503, "not JSON"), ("slow", 503, "within 1 seconds"), ("nameless", 503, "status.user")),
        ):
            answer = self.review(f"joe@{company}", "system:masters", "dev")
            self.assertEqual(answer.code, code, company)
            self.assertIn(message, answer.json["message"])


class Constrained(Asked):
    cluster = "constrained"


class Named(Mapped):
    cluster = "narrow"


class Narrow(AsWhomTestCase):
    """The rights that C{clustergateway rbac} prints for callers who are known by name."""

    cluster = "narrow"

    def test_masters_of_the_hub_are_none_here(self) -> None:
        for name, groups in (("admin", ("system:masters",)), ("jane", ("system:masters",)), ("stranger", ())):
            answer = self.here.review(name, *groups, cluster="narrow")
            self.assertEqual(answer.code, 403, answer.body)
            self.assertIn("impersonate", answer.json["message"])

    def test_an_extra_that_is_kept_and_others(self) -> None:
        lines = ("X-Remote-User: jane", "X-Remote-Group: dev", "X-Remote-Group: system:authenticated")
        extra = ("X-Remote-Extra-Example.com%2fteam: a b", "X-Remote-Extra-Example.com%2fteam: c")
        more = (
            "X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id: X509SHA256=1",
            "X-Remote-Extra-Scopes: all",
        )
        proxy = self.here.world.hub.front_proxy
        answer = self.call(proxy, "POST", REVIEW, *lines, *extra, *more, body=REVIEW_BODY)
        self.identity(answer, **JANE, extra={"example.com/team": ["a b", "c"]})

    def test_nested(self) -> None:
        """Whom somebody acts as at the hub."""
        target = f"{PATH}/clustergateways/narrow/proxy{REVIEW}?impersonate=true"
        nested = {
            "Impersonate-User": "guest",
            "Impersonate-Group": "dev",
            "Impersonate-Extra-Example.com%2fteam": "red",
        }
        caller = self.here.world.caller()
        self.addCleanup(caller.close)
        code, said = caller.call("POST", target, nested, REVIEW_BODY)
        self.assertEqual(code, 201, said)
        user = said["status"]["userInfo"]
        self.assertEqual((user["username"], user["extra"]), ("guest", {"example.com/team": ["red"]}))
        self.assertEqual(set(user["groups"]), {"dev", AUTHENTICATED})

    def test_nested_with_kubectl(self) -> None:
        target = f"{PATH}/clustergateways/narrow/proxy{REVIEW}?impersonate=true"
        done = self.here.world.must(
            *("create", "--raw", target, "-f", "-", "--as", "guest", "--as-group", "dev"),
            stdin=json.dumps(REVIEW_BODY),
        )
        self.assertEqual(json.loads(done.out)["status"]["userInfo"]["username"], "guest")
        refused = self.here.world.kubectl(
            "create", "--raw", target, "-f", "-", "--as", "guest", user="jane", stdin=json.dumps(REVIEW_BODY)
        )
        self.assertIn('User "jane" cannot impersonate', refused.err)

    def test_by_the_request_alone(self) -> None:
        """The hub's gateway has no gate: a request says whether it is its caller's or the gateway's own."""
        caller = self.here.world.direct(self.here.world.gateway, self.here.user("jane", "dev"))
        self.addCleanup(caller.close)
        base = f"{PATH}/clustergateways/narrow/proxy{REVIEW}"
        spoofed = {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}
        for query, expected in (
            *(("?impersonate=true", "jane"), ("", "gateway-narrow"), ("?impersonate=false", "gateway-narrow")),
        ):
            code, said = caller.call("POST", base + query, spoofed, REVIEW_BODY)
            self.assertEqual((code, said["status"]["userInfo"]["username"]), (201, expected))


class Spoofed(AsWhomTestCase):
    """A caller who says that they are somebody else, in every way that there is to say it."""

    def spoof(self, *lines: str, method: str = "POST", query: str = "") -> Answer:
        return self.call(self.here.user("jane", "dev"), method, REVIEW + query, *lines, body=REVIEW_BODY)

    def test_fields_that_do_not_travel(self) -> None:
        impersonate = tuple(f"Impersonate-{each}" for each in CLAIMS)
        remote = tuple(f"X-Remote-{each}" for each in CLAIMS)
        for lines in (
            *(impersonate, tuple(map(str.lower, impersonate)), tuple(map(str.upper, impersonate))),
            *(tuple(line.replace("-", "_") for line in impersonate), (*impersonate, *impersonate)),
            *(("Impersonate-Group: system:masters",), ("Impersonate-Uid: 0",), ("Impersonate-Unheard-Of: admin",)),
            *(remote, tuple(line.replace("-", "_") for line in remote), (*remote, *impersonate)),
            # Fields that a connection names are not passed on: not the gateway's own, either?
            ("Connection: Impersonate-User, Impersonate-Group", *impersonate),
            ("Connection: Authorization, X-Remote-User, Audit-Id",),
            *(("X-Forwarded-User: admin", "Forwarded: for=admin", "X-Forwarded-Groups: system:masters"),),
            *(("X-Http-Method-Override: DELETE", "X-Original-Url: /", "X-Rewrite-Url: /"),),
            ("Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.YWRtaW4, v5.channel.k8s.io",),
            *(("Cookie: user=admin",), ("Proxy-Authorization: Basic YWRtaW46YQ==",)),
        ):
            self.identity(self.spoof(*lines), **JANE)

    def test_a_credential_of_the_managed_cluster_does_not_travel(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "boss", "namespace": "default"}}
        self.here.world.apply(account, cluster="east")
        token = self.here.world.must("create", "token", "boss", "-n", "default", cluster="east").out.strip()
        self.identity(self.spoof(f"Authorization: Bearer {token}"), **JANE)
        self.assertEqual(self.call(None, "POST", REVIEW, f"Authorization: Bearer {token}", body=REVIEW_BODY).code, 401)

    def test_fields_that_two_could_read_differently(self) -> None:
        for line in (
            *("Impersonate-User : admin", " Impersonate-User: admin", "\tImpersonate-User: admin"),
            *("Accept: a\n Impersonate-User: admin", "Accept: a\nImpersonate-User: admin"),
            *("Accept: a\rImpersonate-User: admin", "Accept: a\0\r\nImpersonate-User: admin"),
            *("Accept: a\r\n Impersonate-User: admin", "Impersonate-User", "Impersonate-User\x0b: admin"),
            *("Impersonate\xadUser\x00: admin", "Content-Length: 0", "Transfer-Encoding: chunked"),
            "Transfer-Encoding: identity, chunked",
        ):
            answer = self.spoof(line)
            self.assertEqual(answer.code, 400, line)

    def test_nobody_opts_out(self) -> None:
        for query in ("?impersonate=false", "?impersonate=true&impersonate=false", "?%69mpersonate=false", "?as=admin"):
            self.identity(self.spoof("Impersonate-User: admin", query=query), **JANE)

    def test_trailers(self) -> None:
        body = json.dumps(REVIEW_BODY).encode()
        head = request(
            *("POST", f"{PATH}/clustergateways/{self.cluster}/proxy{REVIEW}"),
            *("Transfer-Encoding: chunked", "Trailer: Impersonate-User", "Content-Type: application/json"),
        )
        data = b"%x\r\n%s\r\n0\r\nImpersonate-User: admin\r\nImpersonate-Group: system:masters\r\n\r\n" % (
            len(body),
            body,
        )
        answer = self.here.ask(self.here.user("jane", "dev"), head + data)
        if answer.code != 400:
            self.identity(answer, **JANE)

    def test_a_request_in_a_body(self) -> None:
        inner = request(
            "POST", REVIEW, "Impersonate-User: admin", "Impersonate-Group: system:masters", body=REVIEW_BODY
        )
        outer = request(
            *("POST", f"{PATH}/clustergateways/{self.cluster}/proxy{REVIEW}"),
            *("Content-Type: application/json", f"Content-Length: {len(inner)}"),
        )
        answer = self.here.ask(self.here.user("jane", "dev"), outer + inner)
        self.assertEqual(answer.code, 400, answer.body)

    def test_names_that_are_header_lines(self) -> None:
        for name in ("jane\r\nImpersonate-Group: system:masters", "jane\nx", " admin", "admin\t"):
            answer = self.here.review(name, cluster=self.cluster)
            self.assertEqual(answer.code, 403, name)
            self.assertIn("cannot be impersonated", answer.json["message"])

    def test_strangers(self) -> None:
        world = self.here.world
        lines = tuple(f"{prefix}-{each}" for prefix in ("Impersonate", "X-Remote") for each in CLAIMS)
        for pair in (None, world.pair(world.managed, "admin", "system:masters"), world.managed.front_proxy):
            try:
                code = self.call(pair, "POST", REVIEW, *lines, body=REVIEW_BODY).code
            except OSError:
                code = 401  # already by TLS
            self.assertEqual(code, 401)
        # Who may not act as others at the hub does not by way of the gateway, either.
        caller = world.caller("jane")
        self.addCleanup(caller.close)
        target = f"{PATH}/clustergateways/{self.cluster}/proxy{REVIEW}?impersonate=true"
        self.assertEqual(caller.call("POST", target, {"Impersonate-User": "admin"}, REVIEW_BODY)[0], 403)

    def test_a_spoofer_may_do_no_more(self) -> None:
        lines = ("Impersonate-User: admin", "Impersonate-Group: system:masters", "X-Remote-Group: system:masters")
        pair = self.here.user("jane", "dev")
        found = {
            name: self.call(pair, method, path, *lines, body=A_MAP if method == "POST" else None).code
            for name, (method, path) in REQUESTS.items()
        }
        self.assertEqual(_allowed(found), {"get", "list"})


class Reloaded(AsWhomTestCase):
    def by(self, rule: str) -> bool:
        """Was it this rule that made somebody else of C{jim} just now?"""
        self.here.review("jim", "team-a", lines=("Audit-Id: reloaded",))
        events = [json.loads(line) for line in whole_lines(self.here.log) if "reloaded" in line]
        return bool(events) and events[-1]["annotations"]["cluster.core.oam.dev/rule"] == rule

    def shown(self) -> bool:
        """Does the gateway say what is wrong with the file?"""
        answer = self.here.ask(self.here.user("admin", "system:masters"), request("GET", "/readyz?verbose"))
        return b"identity exchange" in answer.body and b"uzer" in answer.body

    def test_a_wrong_file_is_shown_and_not_used(self) -> None:
        good = self.here.rules.read_text()
        self.addCleanup(self.here.rules.write_text, good)
        self.here.rules.write_text(good.replace("target: {user: reader", "target: {user: writer, uzer: typo"))
        eventually(self.shown, "it is shown")
        self.assertEqual(self.here.review("jim", "team-a").user["username"], "reader")
        self.here.rules.write_text(good.replace("name: teams", "name: everybody"))
        eventually(lambda: self.by("everybody"), "the new one is used")
        self.assertFalse(self.shown())
        self.here.rules.write_text(good)
        eventually(lambda: self.by("teams"), "so is the old one")


class Audited(AsWhomTestCase):
    """What the audit log says of all that."""

    def events(self, audit_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def written() -> bool:
            found[:] = [each for each in logged(self.here.log) if each["auditID"] == audit_id]
            return bool(found)

        eventually(written, f"an event of {audit_id}")
        return found

    def test_who_was_made_of_whom(self) -> None:
        for name, groups, rule, target in (
            *(("jim", ("team-a",), "teams", "reader"), ("joe@partner", (), "partners", "partner:joe")),
            *(("local", (), "own", "deployer"), ("robot", (), "robots", ""), ("jane", ("dev",), "", "jane")),
        ):
            answer = self.here.review(name, *groups, lines=(f"Audit-Id: of-{name}",))
            # The managed cluster calls it the same.
            self.assertEqual(answer.headers["Audit-Id"], f"of-{name}")
            (event,) = self.events(f"of-{name}")
            self.assertEqual(event["user"]["username"], name)
            self.assertEqual(event.get("impersonatedUser", {"username": ""})["username"], target)
            notes = {key.rpartition("/")[2]: value for key, value in event["annotations"].items()}
            self.assertEqual((notes.get("rule", ""), notes["cluster"], notes["outcome"]), (rule, "plain", "complete"))
            self.assertIn(notes["endpoint"].rpartition(":")[2], self.here.world.managed.url)
            for latency in ("decided", "upstream", "total"):
                self.assertRegex(notes[f"latency-{latency}"], r"^\d+\.\d{3}ms$")

    def test_for_whom_the_front_proxy_asks(self) -> None:
        """And from nobody else is that believed."""
        lines = ("X-Forwarded-For: 192.0.2.7, 192.0.2.8", "X-Real-Ip: 192.0.2.9")
        as_jane = ("X-Remote-User: jane", "X-Remote-Group: dev", f"X-Remote-Group: {AUTHENTICATED}")
        proxy, jane = self.here.world.hub.front_proxy, self.here.user("jane", "dev")
        for pair, more, expected in (
            (proxy, as_jane, ["192.0.2.7", "192.0.2.8", "192.0.2.9", "127.0.0.1"]),
            *(((jane, (), ["127.0.0.1"])), (None, (), ["127.0.0.1"])),
        ):
            for target in (None, f"{PATH}/clustergateways/{self.cluster}"):
                audit_id = f"from-{uuid4()}"
                said = (*lines, *more, f"Audit-Id: {audit_id}")
                if target is None:
                    self.call(pair, "GET", MAPS, *said)
                else:
                    self.here.ask(pair, request("GET", target, *said))
                self.assertEqual(self.events(audit_id)[-1]["sourceIPs"], expected)

    def test_for_whom_the_hub_asks(self) -> None:
        caller = self.here.world.caller()
        self.addCleanup(caller.close)
        log = self.here.log.with_name("gateway.access.log")
        for target in (f"{PATH}/clustergateways/plain", f"{PATH}/clustergateways/plain/proxy/version"):
            agent = f"from-afar-{uuid4()}"
            caller.call("GET", target, {"X-Forwarded-For": "192.0.2.7", "User-Agent": agent})
            eventually(partial(_holds, log, agent), "it is written")
            (line,) = (json.loads(line) for line in whole_lines(log) if agent in line)
            # What a client says of itself stands before what the hub saw, if the hub passes it on.
            self.assertEqual((line["forwarded"][-1], line["address"]), ("127.0.0.1", "127.0.0.1"))

    def test_the_rule_that_refuses(self) -> None:
        for name, rule, reason in (
            *((f"joe@{company}", "partners", "ServiceUnavailable") for company in ("500", "html", "slow")),
            *((("joe@nowhere", "partners", "Forbidden")), ("unlucky", "broken", "Forbidden")),
        ):
            audit_id = f"by-{uuid4()}"
            answer = self.here.review(name, lines=(f"Audit-Id: {audit_id}",))
            event = self.events(audit_id)[-1]
            self.assertEqual(event["annotations"]["cluster.core.oam.dev/rule"], rule)
            self.assertEqual(event["responseStatus"]["reason"], reason)
            self.assertEqual(event["responseStatus"]["message"], answer.json["message"])

    def test_what_the_cluster_refuses(self) -> None:
        audit_id = f"no-{uuid4()}"
        answer = self.call(self.here.user("jane", "dev"), "GET", "/api/v1/nodes", f"Audit-Id: {audit_id}")
        found = self.events(audit_id)[-1]["responseStatus"]
        self.assertEqual(found["code"], 403)
        self.assertEqual((found["message"], found["reason"]), (answer.json["message"], "Forbidden"))

    def test_every_event_is_as_kubernetes_has_it_and_the_only_one(self) -> None:
        for name in ("jane", "stranger", "joe@500", "unlucky"):
            self.here.review(name, cluster="narrow")
        self.here.call(None, "GET", MAPS)
        events = logged(self.here.log)
        self.assertEqual([problem for event in events for problem in wrong(event)], [])
        ids = [event["auditID"] for event in events if event["stage"] == "ResponseComplete"]
        self.assertEqual(
            [each for each in set(ids) if ids.count(each) > 1 and not each.startswith(("of-", "reloaded"))], []
        )
        self.assertGreater(len(ids), 5)

    def test_the_questions_of_the_page(self) -> None:
        if which("jq") is None:
            self.skipTest("jq is not installed")
        self.here.review("jim", "team-a")
        self.call(self.here.user("jane", "dev"), "GET", "/api/v1/nodes")
        self.call(self.here.user("jane", "dev"), "GET", "/api/v1/namespaces/default/pods/none/exec?command=ls")
        eventually(lambda: "pods/none/exec" in self.here.log.read_text(), "it is written")
        page = (Path(__file__).parents[2] / "docs" / "howto" / "audit.md").read_text()
        for question in (line for line in page.splitlines() if line.startswith("jq ")):
            asked = subprocess.run(
                ["sh", "-ec", question], cwd=self.here.log.parent, capture_output=True, text=True, check=True
            )
            self.assertTrue(asked.stdout.strip(), question)
            self.assertNotIn('"why":null', asked.stdout)
            self.assertEqual(asked.stderr, "")
