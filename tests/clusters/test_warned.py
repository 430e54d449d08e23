"""Tests for L{clustergateway.clusters.warned}."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.clusters.folder import FolderDirectory
from clustergateway.clusters.kubeconfig import KubeconfigDirectory
from clustergateway.clusters.secrets import SecretDirectory
from clustergateway.clusters.warned import Warned
from clustergateway.interfaces import Directory
from clustergateway.kube.cache import Informer
from clustergateway.model.gateway import CertificateCredential, ClusterGateway, Endpoint, NoCredential
from clustergateway.model.resourcetype import SECRETS
from clustergateway.model.x509 import DAY
from clustergateway.testing.hub import FakeHub

from ..model.pki import NOW, authority, client
from .test_secrets import secret

OPEN = Endpoint("east.example", 443, insecure=True)
SAFE = Endpoint("east.example", 6443, ca=authority().certificate)
EAST = ClusterGateway("east", (SAFE,), NoCredential())
SENTENCE = "cluster east: insecure: no CA is given, so the certificate of east.example:443 is not verified"


class WarnedCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.warned = Warned(self.clock)
        self._lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_level") and event["log_level"].name == "warn":
                self._lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def said(self) -> list[str]:
        """Since it was asked last."""
        lines, self._lines = self._lines, []
        return lines


class OnceTests(WarnedCase):
    def tell(self, event: str, *endpoints: Endpoint, **changes: Any) -> list[str]:
        self.warned.changed(event, replace(EAST, endpoints=endpoints, **changes))
        return self.said()

    def test_added(self) -> None:
        self.assertEqual(self.tell("ADDED", SAFE), [])
        self.assertEqual(self.tell("ADDED", OPEN), [SENTENCE])

    def test_once(self) -> None:
        self.tell("ADDED", OPEN)
        self.assertEqual(self.tell("MODIFIED", OPEN, labels={"a": "b"}), [])

    def test_changed_to_insecure(self) -> None:
        self.tell("ADDED", OPEN)
        self.assertEqual(self.tell("MODIFIED", SAFE), [])
        self.assertEqual(self.tell("MODIFIED", OPEN), [SENTENCE])

    def test_other_endpoints(self) -> None:
        self.tell("ADDED", OPEN)
        [line] = self.tell(
            "MODIFIED", OPEN, replace(OPEN, host="fd00::1", port=6443), replace(SAFE, host="safe.example")
        )
        self.assertIn("of east.example:443, [fd00::1]:6443 is not verified", line)

    def test_gone_and_back(self) -> None:
        self.tell("ADDED", OPEN)
        self.assertEqual(self.tell("DELETED", OPEN), [])
        self.assertEqual(self.tell("ADDED", OPEN), [SENTENCE])

    def test_what_will_not_work(self) -> None:
        pair = client()
        self.clock.advance(366 * DAY)
        old = CertificateCredential(pair.certificate, pair.key)
        [line] = self.tell("ADDED", SAFE, credential=old)
        self.assertIn("cluster east: the client certificate expired", line)
        self.assertEqual(self.tell("MODIFIED", SAFE, credential=old, provider="x"), [])


class DirectoryTests(WarnedCase):
    """Whatever the directory, at the start and later."""

    def follow(self, directory: Directory) -> list[str]:
        directory.subscribe(self.warned.changed)
        for cluster in directory.all():
            self.warned.changed("ADDED", cluster)
        return self.said()

    def test_folder(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "east.yaml").write_text(yaml.safe_dump({"kind": "Secret", **secret("east")}))
        directory = FolderDirectory(str(folder), self.clock)
        directory.start()
        self.addCleanup(directory.stop)
        self.assertEqual(self.follow(directory), [SENTENCE])
        (folder / "west.yaml").write_text(yaml.safe_dump({"kind": "Secret", **secret("west")}))
        directory.poll()
        self.assertEqual(self.said(), [SENTENCE.replace("east", "west")])

    def test_kubeconfig(self) -> None:
        path = Path(self.mktemp())
        insecure = {"server": "https://east.example", "insecure-skip-tls-verify": True}
        content = {
            "clusters": [{"name": "east", "cluster": insecure}],
            "users": [{"name": "me", "user": {"token": "hunter2"}}],
            "contexts": [{"name": "east", "context": {"cluster": "east", "user": "me"}}],
        }
        path.write_text(yaml.safe_dump(content))
        directory = KubeconfigDirectory(str(path), self.clock)
        directory.start()
        self.addCleanup(directory.stop)
        self.assertEqual(self.follow(directory), [SENTENCE])

    def test_hub(self) -> None:
        secrets = Informer(FakeHub().client(self.clock), SECRETS, self.clock, lambda: 0.0, "vela-system")
        secrets.replaced([secret("east")], "1")
        self.assertEqual(self.follow(directory := SecretDirectory(secrets, self.clock)), [SENTENCE])
        secrets.changed("ADDED", secret("west", 2))
        self.assertEqual(self.said(), [SENTENCE.replace("east", "west")])
        secrets.changed("MODIFIED", secret("west", 3))
        self.assertEqual((len(list(directory.all())), self.said()), (2, []))
