"""Tests for L{clustergateway.credentials.source}."""

from __future__ import annotations

import json
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.execplugin import ExecPlugins
from clustergateway.credentials.source import Source
from clustergateway.credentials.tokenfile import TokenFiles
from clustergateway.interfaces import Credentials, Entry
from clustergateway.model.gateway import (
    CertificateCredential,
    ClusterGateway,
    Endpoint,
    ExecCredential,
    NoCredential,
    TokenCredential,
    TokenFileCredential,
)
from clustergateway.model.x509 import DAY

from ..model.pki import NOW, client
from .processes import FakeProcesses

EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential(), generation="1")
EXEC = replace(EAST, credential=ExecCredential("login"))


class SourceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.processes = FakeProcesses()
        plugins = ExecPlugins(
            self.processes, self.clock, {}, which=lambda command, path: command, end_group=self.processes.end_group
        )
        self.source = Source(TokenFiles(self.clock), plugins)

    def at_once(self, cluster: ClusterGateway) -> Entry:
        entry = self.source.entry(cluster)
        assert not isinstance(entry, Deferred)
        return entry

    def run_plugin(self) -> Entry:
        waiting = self.source.entry(EXEC)
        assert isinstance(waiting, Deferred)
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
        self.processes.last.out(json.dumps(answer).encode())
        self.processes.last.end()
        return self.successResultOf(waiting)

    def test_implements_the_seam(self) -> None:
        seam: Credentials = self.source
        self.assertEqual(self.at_once(EAST), seam.entry(EAST))

    def test_static(self) -> None:
        token = replace(EAST, credential=TokenCredential("hunter2"))
        self.assertEqual(self.at_once(token).token, "hunter2")
        self.assertIs(self.at_once(token), self.at_once(token))
        pair = client()
        certificate = replace(EAST, credential=CertificateCredential(pair.certificate, pair.key))
        self.assertEqual((self.at_once(certificate).key, self.at_once(certificate).token), (pair.key, ""))
        self.assertEqual(self.at_once(EAST).token, "")

    def test_static_changes_with_the_cluster(self) -> None:
        for kind in ("one", "two"):
            self.assertEqual(self.at_once(replace(EAST, credential=TokenCredential(kind))).token, kind)

    def test_token_file(self) -> None:
        path = self.mktemp()
        with open(path, "w") as stream:
            stream.write("hunter2")
        cluster = replace(EAST, credential=TokenFileCredential(path))
        entry = self.at_once(cluster)
        self.assertEqual(entry.token, "hunter2")
        self.assertFalse(self.source.rejected(cluster, entry))

    def test_exec(self) -> None:
        entry = self.run_plugin()
        self.assertEqual(self.at_once(EXEC), entry)
        self.assertTrue(self.source.rejected(EXEC, entry))

    def test_static_is_rejected_for_good(self) -> None:
        self.assertFalse(self.source.rejected(EAST, self.at_once(EAST)))

    def test_expires(self) -> None:
        pair = client()
        certificate = replace(EAST, credential=CertificateCredential(pair.certificate, pair.key))
        self.assertEqual(self.source.expires(certificate), NOW + 365 * DAY)
        self.assertIsNone(self.source.expires(EAST))
        self.assertIsNone(self.source.expires(EXEC))
        self.assertEqual(self.processes.started, [])

    def test_forgotten_with_the_cluster(self) -> None:
        self.run_plugin()
        first = self.at_once(EAST)
        self.source.changed("MODIFIED", EAST)
        self.assertIs(self.at_once(EAST), first)
        self.source.changed("DELETED", EAST)
        self.assertIsNot(self.at_once(EAST), first)
        self.assertIsInstance(self.source.entry(EXEC), Deferred)
