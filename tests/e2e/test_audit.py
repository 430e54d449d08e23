"""The real kubectl through a gateway that audits and records: who did what, and what was on the screen."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import rmtree, which
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.asciicast import Event, Header, parse_events, parse_header

from .world import KUBECTL, NO_KUBECTL, SECONDS, World

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources: [{group: "", resources: [pods/exec]}]
  recordSession: {required: true}
- level: RequestResponse
  resources: [{group: "", resources: [configmaps, secrets]}]
- level: Metadata
"""


@cache
def audited() -> tuple[Path, World]:
    """A world for all tests, and the folder of what is written about it."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-gateway-audit-"))
    atexit.register(rmtree, folder)
    (folder / "policy.yaml").write_text(POLICY)
    world = World(
        *("--audit-log-path", str(folder / "audit.log")),
        *("--audit-policy-file", str(folder / "policy.yaml")),
        *("--session-recording-dir", str(folder / "sessions")),
    )
    atexit.register(world.close)
    # A sandbox's pods take a moment to be scheduled.
    world.kubectl("wait", "--for=condition=Ready", "pod/box", "--timeout=30s")
    return folder, world


class AuditTests(SynchronousTestCase):
    skip = NO_KUBECTL

    def setUp(self) -> None:
        self.folder, self.world = audited()

    def events(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        lines = (self.folder / "audit.log").read_text().splitlines()
        return [event for event in map(json.loads, lines) if wanted(event)]

    def test_who_did_what_where(self) -> None:
        self.assertEqual(self.world.kubectl("get", "pods", "box").returncode, 0)
        event = self.events(lambda event: event["verb"] == "get" and event.get("objectRef", {}).get("name") == "box")[
            -1
        ]
        self.assertEqual(
            event["objectRef"], {"resource": "pods", "namespace": "default", "name": "box", "apiVersion": "v1"}
        )
        self.assertEqual(event["responseStatus"]["code"], 200)
        self.assertIn("system:masters", event["user"]["groups"])
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/cluster"], "east")
        self.assertIn("127.0.0.1:", event["annotations"]["cluster.core.oam.dev/endpoint"])
        self.assertIn("kubectl", event["userAgent"])

    def test_objects_but_no_secrets(self) -> None:
        for kind, content in (("ConfigMap", "shown"), ("Secret", "aGlkZGVu")):
            made = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "audited"}, "data": {"a": content}}
            self.assertEqual(self.world.kubectl("create", "-f", "-", stdin=json.dumps(made)).returncode, 0)
        event = self.events(lambda event: event["requestURI"].partition("?")[0].endswith("/default/configmaps"))[-1]
        self.assertEqual(event["requestObject"]["data"], {"a": "shown"})
        self.assertEqual(event["responseObject"]["data"], {"a": "shown"})
        event = self.events(lambda event: event["requestURI"].partition("?")[0].endswith("/default/secrets"))[-1]
        self.assertEqual(event["responseStatus"]["code"], 201)
        self.assertNotIn("requestObject", event)
        self.assertNotIn("aGlkZGVu", (self.folder / "audit.log").read_text())

    def test_a_refusal(self) -> None:
        self.assertNotEqual(self.world.kubectl("--context", "east", "get", "--raw", "/api/v1/nodes/none").returncode, 0)
        event = self.events(lambda event: event.get("objectRef", {}).get("resource") == "nodes")[-1]
        self.assertEqual(event["responseStatus"]["code"], 404)

    def test_one_event_for_each_request(self) -> None:
        self.world.kubectl("get", "pods")
        ended = self.events(lambda event: event["stage"] == "ResponseComplete")
        ids = [event["auditID"] for event in ended]
        self.assertEqual(len(ids), len(set(ids)))

    def run_in_box(self, *command: str, **environment: str) -> tuple[str, dict[str, Any]]:
        """What the user saw, and the session's event."""
        arguments = (
            str(KUBECTL),
            "--kubeconfig",
            str(self.world.kubeconfig),
            "--context",
            "east",
            "exec",
            "-it",
            "box",
        )
        seen = subprocess.run(
            ["script", "-qec", " ".join([*arguments, "--", *command]), "/dev/null"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, "HOME": str(self.folder), "TERM": "xterm", **environment},
            check=False,
        )
        event = self.events(lambda event: event.get("objectRef", {}).get("subresource") == "exec")[-1]
        return seen.stdout.decode(), event

    def recording(self, event: dict[str, Any]) -> tuple[Header, list[Event]]:
        path = self.folder / "sessions" / event["annotations"]["cluster.core.oam.dev/recording"]
        header, *lines = path.read_text().splitlines(keepends=True)
        return parse_header(header), list(parse_events(lines))

    def check_session(self, upgrade: str, **environment: str) -> None:
        seen, event = self.run_in_box("sh", "-c", "'echo one; echo two; exit 3'", **environment)
        self.assertEqual(event["stage"], "ResponseComplete")
        notes = {key.rpartition("/")[2]: value for key, value in event["annotations"].items()}
        self.assertEqual((notes["exit-code"], notes["upgrade"].lower()), ("3", upgrade))
        self.assertLessEqual(notes["session-started"], notes["session-ended"])
        header, events = self.recording(event)
        self.assertEqual(header.command, "sh -c echo one; echo two; exit 3")
        self.assertEqual((header.about["pod"], header.about["cluster"]), ("box", "east"))
        shown = "".join(each.text for each in events if each.code == "o")
        self.assertEqual(shown, "one\r\ntwo\r\n")
        self.assertTrue(seen.startswith(shown), seen)

    def test_a_session_over_websocket(self) -> None:
        self.check_session("websocket")

    def test_a_session_over_spdy(self) -> None:
        self.check_session("spdy/3.1", KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")

    if which("script") is None:
        test_a_session_over_websocket.skip = test_a_session_over_spdy.skip = "there is no script to give a terminal"  # type: ignore[attr-defined]
