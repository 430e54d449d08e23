"""Tests for L{clustergateway.clusters.folder}."""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.clusters.folder import FolderDirectory, parse_manifests
from clustergateway.errors import ConfigurationError, UnknownCluster
from clustergateway.model.gateway import TokenCredential


def secret(name: str, token: str = "hunter2", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {"cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"},
            **metadata,
        },
        "stringData": {"endpoint": f"https://{name}.example", "token": token},
    }


def manifest(*documents: object) -> str:
    return "".join(f"---\n{json.dumps(document)}\n" for document in documents)


class ParseTests(SynchronousTestCase):
    def test_several(self) -> None:
        config_map = {"kind": "ConfigMap", "metadata": {"name": "x"}}
        plain = {"kind": "Secret", "metadata": {"name": "plain"}, "data": {}}
        listed = {"kind": "List", "items": [secret("north"), secret("south")]}
        content = parse_manifests(manifest(secret("east"), config_map, plain, listed).encode())
        self.assertEqual(list(content.gateways), ["east", "north", "south"])
        self.assertEqual(dict(content.problems), {})

    def test_broken_document(self) -> None:
        content = parse_manifests(manifest(secret("east", token=""), {"token": "hunter2"}, secret("west")).encode())
        self.assertEqual(list(content.gateways), ["west"])
        self.assertEqual(
            dict(content.problems),
            {"document 1": "east: data key token is missing", "document 2": "it is not a Kubernetes object"},
        )
        self.assertEqual(content.broken, {"east", None})

    def test_twice(self) -> None:
        content = parse_manifests(manifest(secret("east", "one"), secret("east", "two")).encode())
        self.assertEqual(content.gateways["east"].credential, TokenCredential("one"))
        self.assertEqual(list(content.problems), ["document 2"])


class FolderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.clock = Clock()
        self.directory = FolderDirectory(self.folder, self.clock)
        self.addCleanup(self.directory.stop)
        self.events: list[tuple[str, str]] = []

    def write(self, name: str, *documents: object) -> None:
        self.write_text(name, manifest(*documents))

    def write_text(self, name: str, text: str) -> None:
        """As an editor or kubelet does it: a new file takes the place of the old one."""
        path = os.path.join(self.folder, name)
        with open(f"{path}.new", "w") as stream:
            stream.write(text)
        os.replace(f"{path}.new", path)

    def start(self) -> None:
        self.directory.start()
        self.directory.subscribe(lambda event, gateway: self.events.append((event, gateway.name)))

    def names(self) -> list[str]:
        return [gateway.name for gateway in self.directory.all()]

    def token(self, name: str) -> str:
        credential = self.directory.get(name).credential
        assert isinstance(credential, TokenCredential)
        return credential.token

    def test_no_folder(self) -> None:
        os.rmdir(self.folder)
        error = self.assertRaises(ConfigurationError, self.directory.start)
        self.assertIn("No such file or directory", error.message)

    def test_read_at_start(self) -> None:
        self.write("b.yaml", secret("west"))
        self.write("a.json", secret("east"))
        self.write("c.yml", secret("north"))
        self.write("README.md", secret("readme"))
        self.write(".hidden.yaml", secret("hidden"))
        os.mkdir(os.path.join(self.folder, "folder.yaml"))
        self.start()
        self.assertEqual(self.names(), ["east", "north", "west"])
        self.assertEqual(dict(self.directory.problems()), {})

    def test_changes_are_followed(self) -> None:
        self.write("a.yaml", secret("east"))
        self.start()
        self.write("a.yaml", secret("east", "hunter3"))
        self.write("b.yaml", secret("west"))
        self.clock.advance(1)
        self.assertEqual(self.token("east"), "hunter3")
        os.unlink(os.path.join(self.folder, "a.yaml"))
        self.clock.advance(1)
        self.assertEqual(self.events, [("MODIFIED", "east"), ("ADDED", "west"), ("DELETED", "east")])
        self.assertRaises(UnknownCluster, self.directory.get, "east")

    def test_config_map_volume(self) -> None:
        """kubelet switches one symbolic link, C{..data}, behind the links that bear the files' names."""
        for version, token in (("..1", "one"), ("..2", "two")):
            os.mkdir(os.path.join(self.folder, version))
            self.write(os.path.join(version, "a.yaml"), secret("east", token))
        os.symlink("..1", os.path.join(self.folder, "..data"))
        os.symlink("..data/a.yaml", os.path.join(self.folder, "a.yaml"))
        self.start()
        self.assertEqual(self.token("east"), "one")
        os.symlink("..2", os.path.join(self.folder, "..new"))
        os.replace(os.path.join(self.folder, "..new"), os.path.join(self.folder, "..data"))
        self.clock.advance(1)
        self.assertEqual(self.token("east"), "two")

    def test_touched_is_not_changed(self) -> None:
        self.write("a.yaml", secret("east"))
        self.start()
        self.write("a.yaml", secret("east"))
        os.utime(os.path.join(self.folder, "a.yaml"), (2e9, 2e9))
        self.clock.advance(1)
        self.assertEqual(self.events, [])

    def test_creation_is_the_files_time_unless_told(self) -> None:
        self.write("a.yaml", secret("east"), secret("west", creationTimestamp="2024-01-02T03:04:05Z"))
        os.utime(os.path.join(self.folder, "a.yaml"), (1e9, 1e9))
        self.start()
        self.assertEqual(
            [gateway.creation_timestamp for gateway in self.directory.all()],
            ["2001-09-09T01:46:40Z", "2024-01-02T03:04:05Z"],
        )

    def test_broken_file_keeps_its_clusters_and_hides_no_other(self) -> None:
        self.write("a.yaml", secret("east"), secret("west"))
        self.start()
        self.write_text("a.yaml", "token: hunter2\n- [")
        self.write("b.yaml", secret("north"))
        self.clock.advance(1)
        self.assertEqual(self.names(), ["east", "north", "west"])
        (problem,) = self.directory.problems().items()
        self.assertEqual(problem[0], "a.yaml")
        self.assertIn("not valid YAML", problem[1])
        self.assertNotIn("hunter2", problem[1])
        self.write("a.yaml", secret("west"))
        self.clock.pump([1, 1])
        self.assertEqual(self.names(), ["north", "west"])
        self.assertEqual(dict(self.directory.problems()), {})

    def test_broken_document_keeps_its_cluster_alone(self) -> None:
        self.write("a.yaml", secret("east", "old"), secret("west", "old"), secret("north", "old"))
        self.start()
        self.write("a.yaml", secret("east", ""), secret("west", "new"))
        self.clock.pump([1, 1])
        self.assertEqual(self.names(), ["east", "west"])
        self.assertEqual((self.token("east"), self.token("west")), ("old", "new"))
        self.assertEqual(dict(self.directory.problems()), {"a.yaml document 1": "east: data key token is missing"})

    def test_broken_document_of_unknown_name_keeps_all(self) -> None:
        self.write("a.yaml", secret("east"), secret("west"))
        self.start()
        self.write("a.yaml", secret("east"), ["what is this"])
        self.clock.advance(1)
        self.assertEqual(self.names(), ["east", "west"])

    def test_a_file_that_is_being_written(self) -> None:
        whole = manifest(secret("east"), secret("west"))
        self.write_text("a.yaml", whole)
        self.start()
        for part in ("", whole[: whole.rindex("---")], "", whole):
            self.write_text("a.yaml", part)
            self.clock.advance(1)
            self.assertEqual(self.names(), ["east", "west"], part)
        self.assertEqual([], [event for event in self.events if event[0] == "DELETED"])
        self.assertEqual(dict(self.directory.problems()), {})

    def test_an_empty_file_keeps_its_clusters_until_it_is_deleted(self) -> None:
        self.write("a.yaml", secret("east"))
        self.start()
        self.write_text("a.yaml", "\n")
        self.clock.pump([1] * 5)
        self.assertEqual(self.names(), ["east"])
        self.assertIn("it is empty", self.directory.problems()["a.yaml"])
        os.unlink(os.path.join(self.folder, "a.yaml"))
        self.clock.advance(1)
        self.assertEqual(self.names(), [])

    def test_clusters_that_leave_a_file_are_gone_a_second_later(self) -> None:
        self.write("a.yaml", secret("east"), secret("west"))
        self.start()
        self.write("a.yaml", secret("west"))
        self.clock.advance(1)
        self.assertEqual(self.names(), ["east", "west"])
        self.clock.advance(1)
        self.assertEqual(self.names(), ["west"])

    def test_broken_from_the_beginning(self) -> None:
        self.write("a.yaml", secret("east", ""))
        self.write("b.yaml", secret("west"))
        self.start()
        self.assertEqual(self.names(), ["west"])
        self.assertEqual(list(self.directory.problems()), ["a.yaml document 1"])

    def test_first_file_wins(self) -> None:
        self.write("a.yaml", secret("east", "a"))
        self.write("b.yaml", secret("east", "b"))
        self.start()
        self.assertEqual(self.token("east"), "a")
        self.assertEqual(
            dict(self.directory.problems()), {"b.yaml east": "the cluster east is already described in a.yaml"}
        )
        os.unlink(os.path.join(self.folder, "a.yaml"))
        self.clock.advance(1)
        self.assertEqual(self.token("east"), "b")
        self.assertEqual((self.events, dict(self.directory.problems())), ([("MODIFIED", "east")], {}))

    def test_folder_away_for_a_while(self) -> None:
        self.write("a.yaml", secret("east"))
        self.start()
        os.rename(self.folder, f"{self.folder}.away")
        self.clock.advance(1)
        self.assertEqual(self.names(), ["east"])
        self.assertEqual(list(self.directory.problems()), [""])
        os.rename(f"{self.folder}.away", self.folder)
        self.clock.advance(1)
        self.assertEqual((self.names(), dict(self.directory.problems()), self.events), (["east"], {}, []))

    def test_dangling_link(self) -> None:
        os.symlink("nowhere", os.path.join(self.folder, "a.yaml"))
        self.start()
        self.assertEqual(self.names(), [])

    def test_stopped(self) -> None:
        self.start()
        self.directory.stop()
        self.write("a.yaml", secret("east"))
        self.clock.advance(5)
        self.assertEqual(self.names(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_each_problem_is_logged_once(self) -> None:
        logged: list[tuple[str, str]] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_source") is self.directory:
                logged.append((event["log_level"].name, event["place"]))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.write("a.yaml", secret("east", ""))
        self.start()
        self.write("b.yaml", secret("west"))
        self.clock.pump([1, 1, 1])
        self.write("a.yaml", secret("east"))
        self.clock.pump([1, 1, 1])
        self.assertEqual(logged, [("warn", "a.yaml document 1"), ("info", "a.yaml document 1")])
