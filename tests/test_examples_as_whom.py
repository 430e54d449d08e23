"""Tests of the examples of identity exchange and audit."""

from __future__ import annotations

import json
import runpy
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.webhook import ReviewClient
from clustergateway.model.auditpolicy import Level, parse_audit_policy
from clustergateway.model.exchange import External, Privileged, Static, first_match
from clustergateway.model.exchangeconfig import parse_global
from clustergateway.model.identity import Attributes, Identity
from clustergateway.model.identityreview import Answer, Webhook
from clustergateway.model.record import Record
from clustergateway.observe.audit import Audit
from clustergateway.observe.auditfile import FileSink

EXAMPLES = Path(__file__).parent.parent / "examples"


class ConfigurationTests(SynchronousTestCase):
    def test_who_becomes_whom(self) -> None:
        configuration = parse_global((EXAMPLES / "proxy-configuration.yaml").read_text())

        def target(who: Identity, cluster: str) -> Any:
            rule = first_match([configuration], who, cluster)
            return None if rule is None else rule.target

        jane = Identity("jane", ("team-a",))
        self.assertIsNone(target(jane, "dev-1"))
        self.assertEqual(target(jane, "prod-1").identity.user, "developer")
        on_call = target(Identity("jane", ("team-a", "on-call")), "prod-1")
        assert isinstance(on_call, Static)
        self.assertEqual(on_call.identity.groups, ("production-operators",))
        controller = Identity("system:serviceaccount:vela-system:kubevela-vela-core")
        self.assertEqual(target(controller, "prod-1"), Privileged())
        self.assertIsInstance(target(Identity("joe@partner.example"), "dev-1"), External)
        self.assertIsNone(target(Identity("joe@partnerxexample"), "dev-1"))


class PolicyTests(SynchronousTestCase):
    def test_what_is_told(self) -> None:
        policy = parse_audit_policy((EXAMPLES / "audit-policy.yaml").read_text())

        def rule(cluster: str, verb: str, **more: str) -> Any:
            return policy.rule(Record("GET", "/", 0.0, cluster=cluster, verb=verb, **more))  # type: ignore[arg-type]

        self.assertEqual(rule("dev", "get", path="/healthz").level, Level.NONE)
        self.assertEqual(rule("dev", "get", resource="pods", version="v1").level, Level.METADATA)
        self.assertEqual(rule("prod-1", "patch", resource="deployments", group="apps").level, Level.REQUEST)
        self.assertEqual(rule("prod-1", "patch", resource="configmaps").level, Level.METADATA)
        recorded = rule("prod-1", "create", resource="pods", subresource="exec").session
        self.assertTrue(recorded is not None and recorded.required)
        self.assertIsNone(rule("dev", "create", resource="pods", subresource="exec").session)


class WebhookTests(SynchronousTestCase):
    def test_it_answers_the_gateway(self) -> None:
        example = runpy.run_path(str(EXAMPLES / "identity_webhook.py"))
        agent = RequestTraversalAgent(example["Webhook"]())
        client = ReviewClient(lambda ca, cert, key: agent, Clock())
        webhook, get = Webhook("https://identity.example/review"), Attributes("get", path="/version")

        def ask(user: str) -> Answer:
            asked = client.ask(webhook, Identity(user), "east", "partners", get)
            assert isinstance(asked, Deferred)
            agent.flush()
            return self.successResultOf(asked)

        answer = ask("joe@partner.example")
        assert answer.identity is not None
        self.assertEqual((answer.identity.user, answer.ttl), ("partner:joe", 300.0))
        self.assertEqual(answer.identity.extra, (("example.com/asked-for", ("east",)),))
        refused = ask("joe@elsewhere.example")
        self.assertIsNone(refused.identity)
        self.assertEqual(json.dumps(refused.reason), '"nobody knows elsewhere.example"')


class JqTests(SynchronousTestCase):
    if which("jq") is None:
        skip = "jq is not installed"

    def log(self) -> Path:
        """An audit log of a session, a refusal, and a list."""
        folder = Path(self.mktemp())
        folder.mkdir()
        clock = Clock()
        audit = Audit([FileSink(str(folder / "audit.log"), clock)], clock, lambda: "id")
        jane, reader = Identity("jane", ("dev",)), Identity("reader")
        common: dict[str, Any] = {"identity": jane, "cluster": "east", "ended": 1.0, "outcome": "complete"}
        audit.finished(Record("GET", "/a", 0.0, verb="list", resource="pods", code=200, impersonated=reader, **common))
        common |= {"resource": "pods", "subresource": "exec", "name": "web", "verb": "create"}
        audit.finished(Record("GET", "/b?command=ls", 0.0, upgrade="websocket", code=101, answered=0.5, **common))
        audit.finished(Record("GET", "/c", 0.0, code=403, cause="no", **common))
        audit.close()
        return folder

    def test_every_question_of_the_page_has_an_answer(self) -> None:
        page = (EXAMPLES.parent / "docs" / "howto" / "audit.md").read_text()
        questions = [line for line in page.splitlines() if line.startswith("jq ")]
        folder = self.log()
        self.assertEqual(len(questions), 6)
        for question in questions:
            asked = subprocess.run(["sh", "-ec", question], cwd=folder, capture_output=True, text=True, check=True)
            self.assertTrue(asked.stdout.strip(), question)
            self.assertEqual(asked.stderr, "")
