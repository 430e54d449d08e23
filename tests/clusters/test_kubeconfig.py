"""Tests for L{clustergateway.clusters.kubeconfig}."""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.kubeconfig import KubeconfigDirectory
from clustergateway.errors import ConfigurationError
from clustergateway.model.gateway import TokenCredential

from ..model.pki import authority


def config(*contexts: str, token: str = "hunter2", **cluster: str) -> dict[str, Any]:
    return {
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://c.example", **cluster}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
    }


class KubeconfigTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.clock = Clock()
        self.directory = KubeconfigDirectory(os.path.join(self.folder, "config"), self.clock)
        self.addCleanup(self.directory.stop)
        self.events: list[tuple[str, str]] = []

    def write(self, document: object, name: str = "config") -> None:
        path = os.path.join(self.folder, name)
        with open(f"{path}.new", "w") as stream:
            stream.write(document if isinstance(document, str) else json.dumps(document))
        os.replace(f"{path}.new", path)

    def start(self) -> None:
        self.directory.start()
        self.directory.subscribe(lambda event, gateway: self.events.append((event, gateway.name)))

    def names(self) -> list[str]:
        return [gateway.name for gateway in self.directory.all()]

    def test_contexts(self) -> None:
        self.write(config("west", "East"))
        self.start()
        self.assertEqual(self.names(), ["east", "west"])
        self.assertEqual(self.directory.get("east").alias, "East")

    def test_unusable_at_start(self) -> None:
        for document, why in ((None, "No such file"), ("a: [", "not valid YAML"), ("", "not a kubeconfig")):
            if document is not None:
                self.write(document)
            error = self.assertRaises(ConfigurationError, self.directory.start)
            self.assertIn(why, error.message)

    def test_followed(self) -> None:
        self.write(config("east", "west"))
        self.start()
        self.write(config("east", "north", token="hunter3"))
        self.clock.advance(1)
        self.assertEqual(self.events, [("DELETED", "west"), ("MODIFIED", "east"), ("ADDED", "north")])
        self.assertEqual(self.directory.get("east").credential, TokenCredential("hunter3"))

    def test_files_that_it_names_are_followed(self) -> None:
        self.write(authority().certificate.decode(), "ca.pem")
        self.write(config("east", **{"certificate-authority": "ca.pem"}))
        self.start()
        self.write(authority("another").certificate.decode(), "ca.pem")
        self.clock.advance(1)
        self.assertEqual(self.directory.get("east").endpoints[0].ca, authority("another").certificate)
        self.assertEqual(self.events, [("MODIFIED", "east")])

    def test_a_file_that_comes_later(self) -> None:
        self.write(config("east", **{"certificate-authority": "ca.pem"}))
        self.start()
        self.assertEqual(list(self.directory.problems()), ["east"])
        self.write(authority().certificate.decode(), "ca.pem")
        self.clock.advance(1)
        self.assertEqual((self.events, dict(self.directory.problems())), ([("ADDED", "east")], {}))

    def test_broken_file_keeps_all(self) -> None:
        self.write(config("east"))
        self.start()
        self.write("a: [")
        self.clock.advance(1)
        self.assertEqual((self.names(), self.events), (["east"], []))
        self.assertIn("not valid YAML", self.directory.problems()[""])
        self.write(config("west"))
        self.clock.advance(1)
        self.assertEqual((self.names(), dict(self.directory.problems())), (["west"], {}))

    def test_broken_context_keeps_its_cluster(self) -> None:
        self.write(config("east", "west"))
        self.start()
        document = config("east", "west", token="hunter3")
        document["contexts"][0]["context"]["user"] = "nobody"
        self.write(document)
        self.clock.advance(1)
        self.assertEqual(self.directory.get("east").credential, TokenCredential("hunter2"))
        self.assertEqual(self.directory.get("west").credential, TokenCredential("hunter3"))
        self.assertEqual(dict(self.directory.problems()), {"east": "there is no user 'nobody'"})

    def test_unchanged_is_not_read_again(self) -> None:
        self.write(config("east"))
        self.start()
        self.clock.pump([1] * 5)
        self.assertEqual(self.events, [])
