"""Tests for L{clustergateway.credentials.execplugin}."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.execplugin import AFTER_REJECTION, AHEAD, BETWEEN_REJECTIONS, MARGIN, ExecPlugins
from clustergateway.credentials.places import MOST, MOST_FAILING
from clustergateway.credentials.static import FixedEntry
from clustergateway.errors import CredentialUnavailable
from clustergateway.model.execallow import AllowList
from clustergateway.model.gateway import ClusterGateway, Endpoint, ExecCredential
from clustergateway.model.x509 import DAY

from ..model.pki import NOW, client
from .processes import FakeProcesses

CREDENTIAL = ExecCredential("login", ("--for", "east"), (("AWS_PROFILE", "dev"),))
EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), CREDENTIAL, generation="1")
HOUR = 3600.0


class PluginCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.processes = FakeProcesses()
        self.plugins = self.make()

    def make(self, **options: Any) -> ExecPlugins:
        def which(command: str, path: str | None) -> str | None:
            self.assertEqual(path, "/bin")
            return None if command == "missing" else f"/found/{command}"

        return ExecPlugins(
            self.processes,
            self.clock,
            {"PATH": "/bin", "HOME": "/root"},
            which=which,
            end_group=self.processes.end_group,
            **options,
        )

    def ask(self, cluster: ClusterGateway = EAST) -> FixedEntry | Deferred[FixedEntry]:
        credential = cluster.credential
        assert isinstance(credential, ExecCredential)
        return self.plugins.entry(cluster, credential)

    def wait(self, cluster: ClusterGateway = EAST) -> Deferred[FixedEntry]:
        asked = self.ask(cluster)
        assert isinstance(asked, Deferred)
        return asked

    def at_once(self, cluster: ClusterGateway = EAST) -> str:
        asked = self.ask(cluster)
        assert isinstance(asked, FixedEntry)
        return asked.token

    def give(self, token: str = "hunter2", life: float | None = HOUR, **status: Any) -> None:
        """The process that was started last gives this and ends."""
        if life is not None:
            end = datetime.fromtimestamp(self.clock.seconds() + life, timezone.utc)
            status["expirationTimestamp"] = end.isoformat().replace("+00:00", "Z")
        status["token"] = token
        answer = {"apiVersion": CREDENTIAL.api_version, "kind": "ExecCredential", "status": status}
        self.processes.last.out(json.dumps(answer).encode())
        self.processes.last.end()

    def have(self, token: str = "hunter2", life: float | None = HOUR) -> FixedEntry:
        waiting = self.wait()
        self.give(token, life)
        return self.successResultOf(waiting)

    def error(self, waiting: Deferred[FixedEntry]) -> CredentialUnavailable:
        error = self.failureResultOf(waiting, CredentialUnavailable).value
        assert isinstance(error, CredentialUnavailable)
        self.assertEqual((error.cluster, error.hop, error.code), ("east", "credential", 502))
        self.assertNotIn("hunter2", error.message)
        return error


class RunTests(PluginCase):
    def test_how_it_is_started(self) -> None:
        self.wait().addErrback(lambda _: None)
        process = self.processes.last
        self.assertEqual((process.executable, process.args), ("/found/login", ["login", "--for", "east"]))
        info = json.loads(process.env.pop("KUBERNETES_EXEC_INFO"))
        self.assertEqual(info["spec"], {"interactive": False})
        self.assertEqual(process.env, {"PATH": "/bin", "HOME": "/root", "AWS_PROFILE": "dev"})

    def test_cluster_information(self) -> None:
        cluster = replace(EAST, credential=replace(CREDENTIAL, provide_cluster_info=True))
        self.wait(cluster).addErrback(lambda _: None)
        info = json.loads(self.processes.last.env["KUBERNETES_EXEC_INFO"])
        self.assertEqual(info["spec"]["cluster"]["server"], "https://east.example:6443")

    def test_a_cluster_without_endpoints(self) -> None:
        cluster = replace(EAST, endpoints=(), credential=replace(CREDENTIAL, provide_cluster_info=True))
        self.wait(cluster).addErrback(lambda _: None)
        self.assertNotIn("cluster", json.loads(self.processes.last.env["KUBERNETES_EXEC_INFO"])["spec"])

    def test_token(self) -> None:
        entry = self.have()
        self.assertEqual((entry.token, entry.certificate, entry.key), ("hunter2", b"", b""))
        self.assertNotIn("hunter2", repr(entry) + entry.version)

    def test_certificate(self) -> None:
        waiting, pair = self.wait(), client()
        self.give("", None, clientCertificateData=pair.certificate.decode(), clientKeyData=pair.key.decode())
        entry = self.successResultOf(waiting)
        self.assertEqual((entry.certificate, entry.key), (pair.certificate, pair.key))
        self.assertEqual(self.plugins.expires("east"), NOW + 365 * DAY)

    def test_single_flight(self) -> None:
        waiting = [self.wait() for _ in range(10)]
        self.assertEqual(len(self.processes.started), 1)
        self.give()
        self.assertEqual({self.successResultOf(each).token for each in waiting}, {"hunter2"})

    def test_who_gives_up_disturbs_no_other(self) -> None:
        first, second = self.wait(), self.wait()
        first.addErrback(lambda _: None)
        first.cancel()
        self.give()
        self.assertEqual(self.successResultOf(second).token, "hunter2")

    def test_each_cluster_has_its_own(self) -> None:
        self.have()
        self.wait(replace(EAST, name="west")).addErrback(lambda _: None)
        self.assertEqual(len(self.processes.started), 2)

    def test_another_generation_has_its_own(self) -> None:
        self.have("old")
        waiting = self.wait(replace(EAST, generation="2"))
        self.give("new")
        self.assertEqual(self.successResultOf(waiting).token, "new")
        self.assertEqual(self.at_once(replace(EAST, generation="2")), "new")

    def test_a_run_for_an_older_generation_still_answers(self) -> None:
        old = self.wait()
        process = self.processes.last
        new = self.wait(replace(EAST, generation="2"))
        self.give("new")
        process.end(1)
        self.assertEqual(self.successResultOf(new).token, "new")
        self.error(old)
        self.assertEqual(self.at_once(replace(EAST, generation="2")), "new")


class RefusalTests(PluginCase):
    def test_not_allowed(self) -> None:
        self.plugins = self.make(allow=AllowList(["aws"]))
        error = self.error(self.wait())
        self.assertIn("the exec plugin 'login' of cluster east may not be run here", error.message)
        self.assertEqual(self.processes.started, [])

    def test_allowed(self) -> None:
        self.plugins = self.make(allow=AllowList(["login --for *"], ["AWS_PROFILE"]))
        self.have()

    def test_allowed_but_bent(self) -> None:
        self.plugins = self.make(allow=AllowList(["login"], ["AWS_PROFILE"]))
        for name in ("BASH_ENV", "PYTHONWARNINGS", "BROWSER", "LD_PRELOAD", "PATH"):
            credential = replace(CREDENTIAL, env=((name, "hunter2"),))
            error = self.error(self.wait(replace(EAST, generation=name, credential=credential)))
            self.assertIn(name, error.message)
        self.assertEqual(self.processes.started, [])

    def test_what_is_told_cannot_be_changed(self) -> None:
        self.plugins = self.make(allow=AllowList(["login"], ["KUBERNETES_EXEC_INFO"]))
        self.wait(replace(EAST, credential=replace(CREDENTIAL, env=(("KUBERNETES_EXEC_INFO", "{}"),))))
        self.assertIn("spec", json.loads(self.processes.last.env["KUBERNETES_EXEC_INFO"]))

    def test_missing(self) -> None:
        credential = replace(CREDENTIAL, command="missing", install_hint="get it from\nexample.org")
        error = self.error(self.wait(replace(EAST, credential=credential)))
        self.assertEqual(
            error.message,
            "the exec plugin 'missing' of cluster east is not installed; get it from example.org (tried again in 1 s)",
        )

    def test_relative(self) -> None:
        error = self.error(self.wait(replace(EAST, credential=replace(CREDENTIAL, command="bin/login"))))
        self.assertIn("relative path", error.message)


class FailureTests(PluginCase):
    def test_complaint_is_shown_scrubbed(self) -> None:
        waiting = self.wait()
        self.processes.last.err(b"cannot log in with token hunter2hunter2hunter2hunter2\n")
        self.processes.last.end(1)
        error = self.error(waiting)
        self.assertEqual(
            error.message,
            "the exec plugin 'login' of cluster east ended with code 1; cannot log in with token [redacted] "
            "(tried again in 1 s)",
        )

    def test_garbage(self) -> None:
        waiting = self.wait()
        self.processes.last.out(b"hunter2")
        self.processes.last.end()
        self.assertIn("gave nothing usable: its output is not JSON", self.error(waiting).message)

    def test_expired(self) -> None:
        waiting = self.wait()
        self.give(life=-1)
        self.assertIn("has expired already", self.error(waiting).message)

    def test_hangs(self) -> None:
        waiting = self.wait()
        self.clock.advance(30)
        self.assertIn("did not end within 30 seconds", self.error(waiting).message)

    def test_all_who_wait_are_told(self) -> None:
        waiting = [self.wait() for _ in range(3)]
        self.processes.last.end(1)
        for each in waiting:
            self.error(each)

    def test_not_run_again_at_once(self) -> None:
        waiting = self.wait()
        self.processes.last.end(1)
        self.assertIn("(tried again in 1 s)", self.error(waiting).message)
        error = self.assertRaises(CredentialUnavailable, self.ask)
        self.assertIn("(tried again in 1 s)", error.message)
        self.assertIsNone(error.retry_after)
        self.assertEqual(len(self.processes.started), 1)
        self.clock.advance(1)
        waiting = self.wait()
        self.processes.last.end(1)
        self.assertIn("(tried again in 2 s)", self.error(waiting).message)

    def test_recovers(self) -> None:
        waiting = self.wait()
        self.processes.last.end(1)
        self.error(waiting)
        self.clock.advance(1)
        self.have()
        self.assertEqual(self.at_once(), "hunter2")

    def test_not_to_be_started(self) -> None:
        self.processes.error = OSError(12, "Cannot allocate memory")
        self.assertIn("Cannot allocate memory", self.error(self.wait()).message)


class CacheTests(PluginCase):
    def test_remembered(self) -> None:
        self.have()
        self.assertEqual(self.at_once(), "hunter2")
        self.assertEqual(len(self.processes.started), 1)
        self.assertEqual(self.plugins.expires("east"), self.clock.seconds() + HOUR)

    def test_without_expiry_for_ever(self) -> None:
        self.have(life=None)
        self.clock.advance(1000 * DAY)
        self.assertEqual(self.at_once(), "hunter2")
        self.assertEqual((len(self.processes.started), self.plugins.expires("east")), (1, None))

    def test_renewed_ahead_without_waiting(self) -> None:
        self.have("old")
        self.clock.advance(HOUR - MARGIN - AHEAD - 1)
        self.at_once()
        self.assertEqual(len(self.processes.started), 1)
        self.clock.advance(1)
        self.assertEqual([self.at_once(), self.at_once()], ["old", "old"])
        self.assertEqual(len(self.processes.started), 2)
        self.give("new")
        self.assertEqual(self.at_once(), "new")

    def test_not_used_in_its_last_minute(self) -> None:
        self.have("old")
        self.clock.advance(HOUR - MARGIN)
        waiting = self.wait()
        self.give("new")
        self.assertEqual(self.successResultOf(waiting).token, "new")

    def test_used_to_its_end_when_no_other_can_be_had(self) -> None:
        self.have("old")
        self.clock.advance(HOUR - MARGIN)
        waiting = self.wait()
        self.processes.last.end(1)
        self.assertEqual(self.successResultOf(waiting).token, "old")
        self.assertEqual(self.at_once(), "old")
        self.clock.advance(MARGIN)
        waiting = self.wait()
        self.processes.last.end(1)
        self.error(waiting)

    def test_failing_renewal_is_repeated_with_pauses(self) -> None:
        self.have("old")
        self.clock.advance(HOUR - MARGIN - AHEAD)
        self.at_once()
        self.processes.last.end(1)
        self.at_once()
        self.assertEqual(len(self.processes.started), 2)
        self.clock.advance(1)
        self.assertEqual(self.at_once(), "old")
        self.assertEqual(len(self.processes.started), 3)

    def test_short_lived_is_used_for_half_its_life(self) -> None:
        self.have("old", life=60)
        self.clock.advance(29)
        self.assertEqual(self.at_once(), "old")
        self.clock.advance(1)
        self.give("renewed", life=60)
        self.assertEqual(self.at_once(), "renewed")

    def test_forgotten_with_the_cluster(self) -> None:
        self.have()
        self.plugins.forget("east")
        self.plugins.forget("east")
        self.wait().addErrback(lambda _: None)
        self.assertEqual(len(self.processes.started), 2)

    def test_never_run_to_know_its_expiry(self) -> None:
        self.assertIsNone(self.plugins.expires("east"))
        self.assertEqual(self.processes.started, [])


class RejectionTests(PluginCase):
    def test_run_anew_once(self) -> None:
        old = self.have("old")
        self.assertTrue(self.plugins.rejected("east", old.version))
        waiting = self.wait()
        self.give("new")
        self.assertEqual(self.successResultOf(waiting).token, "new")

    def test_many_requests_were_refused_the_same_one(self) -> None:
        old = self.have("old")
        self.assertTrue(self.plugins.rejected("east", old.version))
        self.assertTrue(self.plugins.rejected("east", old.version))
        self.have("new")
        self.assertTrue(self.plugins.rejected("east", old.version))
        self.assertEqual(self.at_once(), "new")
        self.assertEqual(len(self.processes.started), 2)

    def test_the_same_again(self) -> None:
        old = self.have("same")
        self.assertTrue(self.plugins.rejected("east", old.version))
        self.have("same")
        self.clock.advance(AFTER_REJECTION - 1)
        self.assertFalse(self.plugins.rejected("east", old.version))
        self.assertEqual(self.at_once(), "same")
        self.clock.advance(1)
        self.assertTrue(self.plugins.rejected("east", old.version))

    def test_always_another_one_and_none_is_good(self) -> None:
        self.plugins.rejected("east", self.have("one").version)
        two = self.have("two")
        self.assertFalse(self.plugins.rejected("east", two.version))
        self.clock.advance(BETWEEN_REJECTIONS)
        self.assertTrue(self.plugins.rejected("east", two.version))

    def test_unknown(self) -> None:
        self.assertFalse(self.plugins.rejected("east", "x"))


class ManyClustersTests(PluginCase):
    def each(self, number: int) -> ClusterGateway:
        return replace(EAST, name=f"east-{number}")

    def hang(self, count: int) -> list[Deferred[FixedEntry]]:
        return [self.wait(self.each(number)) for number in range(count)]

    def failed(self, waiting: Deferred[FixedEntry]) -> CredentialUnavailable:
        error = self.failureResultOf(waiting, CredentialUnavailable).value
        assert isinstance(error, CredentialUnavailable)
        return error

    def test_so_many_run_at_a_time(self) -> None:
        waiting = self.hang(50)
        self.assertEqual(len(self.processes.started), MOST)
        for number in range(50):
            self.assertLessEqual(len(self.processes.started), number + MOST)
            self.processes.started[number].end(1)
        for each in waiting:
            self.assertIn("ended with code 1", self.failed(each).message)

    def test_those_that_hang_keep_no_place_from_others(self) -> None:
        waiting = self.hang(MOST)
        self.clock.advance(30)
        for each in waiting:
            self.assertIn("did not end", self.failed(each).message)
        self.clock.advance(1)
        self.hang(MOST)
        self.assertEqual(len(self.processes.started), MOST + MOST_FAILING)
        waiting = [self.wait()]
        self.give()
        self.assertEqual(self.successResultOf(waiting[0]).token, "hunter2")

    def test_stopped(self) -> None:
        waiting = self.hang(MOST + 1)
        self.plugins.close()
        for each in waiting[:MOST]:
            self.assertIn("was stopped", self.failed(each).message)
        self.assertIn("the gateway is stopping", self.failed(waiting[MOST]).message)
        self.assertEqual({process.happened[1] for process in self.processes.started}, {"end group"})
        self.assertIn("the gateway is stopping", self.failed(self.wait()).message)
        self.assertEqual(len(self.processes.started), MOST)
