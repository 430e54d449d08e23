"""The real kubectl through a gateway that audits and records: who did what, and what was on the screen."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from shutil import rmtree, which
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.asciicast import Event, Header, parse_events, parse_header
from tests.lines import logged

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
        *("--session-recording-dir", str(folder / "sessions"), "--session-recording-maxsize", "1"),
    )
    atexit.register(world.close)
    # A sandbox's pods take a moment to be scheduled.
    world.kubectl("wait", "--for=condition=Ready", "pod/box", "--timeout=30s")
    return folder, world


class Terminal:
    """
    C{kubectl exec -it} of a shell, on a terminal.

    @ivar seen: what was shown on it so far.
    """

    def __init__(self, kubeconfig: Path, environment: Mapping[str, str]) -> None:
        self.seen = b""
        self._shown, terminal = os.openpty()
        self._process = subprocess.Popen(
            [str(KUBECTL), "--kubeconfig", str(kubeconfig), *("--context", "east", "exec", "-it", "box", "--", "sh")],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "HOME": str(kubeconfig.parent), **environment},
            start_new_session=True,
        )
        os.close(terminal)
        self._until(b"# ")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(SECONDS)
        os.close(self._shown)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._shown, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process.send_signal(signal.SIGWINCH)

    def type(self, line: str, answer: str) -> None:
        """
        Type this line until it is answered so: kubectl tells of a new size when it likes, and does not hear of one that
        comes too early.
        """
        for attempt in range(SECONDS):
            if attempt:
                self._process.send_signal(signal.SIGWINCH)
            before = len(self.seen)
            os.write(self._shown, f"{line}\n".encode())
            self._until(b"# ", before)
            if answer.encode() in self.seen[before:]:
                return
        raise AssertionError(f"no {answer!r} in {self.seen!r}")

    def end(self, line: str) -> int:
        """
        @return: kubectl's exit status.
        """
        os.write(self._shown, f"{line}\n".encode())
        while self._read():
            pass
        return self._process.wait(SECONDS)

    def _until(self, text: bytes, start: int = 0) -> None:
        while text not in self.seen[start:]:
            if not self._read():
                raise AssertionError(f"no {text!r} in {self.seen!r}")

    def _read(self) -> bool:
        readable, _, _ = select.select([self._shown], [], [], SECONDS)
        try:
            data = os.read(self._shown, 65536) if readable else b""
        except OSError:  # nobody writes to it any more
            data = b""
        self.seen += data
        return bool(data)


class AuditTests(SynchronousTestCase):
    skip = NO_KUBECTL

    def setUp(self) -> None:
        self.folder, self.world = audited()

    def events(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [event for event in logged(self.folder / "audit.log") if wanted(event)]

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
        for what in ("request", "response"):
            note = event["annotations"][f"cluster.core.oam.dev/{what}-object"]
            self.assertEqual(note, "omitted: secrets hold secrets")
        self.assertNotIn("aGlkZGVu", (self.folder / "audit.log").read_text())

    def test_a_refusal(self) -> None:
        self.assertNotEqual(self.world.kubectl("--context", "east", "get", "--raw", "/api/v1/nodes/none").returncode, 0)
        event = self.events(lambda event: event.get("objectRef", {}).get("resource") == "nodes")[-1]
        found = event["responseStatus"]
        self.assertEqual((found["code"], found["reason"]), (404, "NotFound"))
        self.assertIn("none", found["message"])

    def test_one_event_for_each_request(self) -> None:
        self.world.kubectl("get", "pods")
        ended = self.events(lambda event: event["stage"] == "ResponseComplete")
        ids = [event["auditID"] for event in ended]
        self.assertEqual(len(ids), len(set(ids)))

    def sessions(self) -> list[dict[str, Any]]:
        """Of those that are over."""
        return self.events(lambda event: _is_exec(event) and event["stage"] == "ResponseComplete")

    def session(self, before: int) -> dict[str, Any]:
        """The next one, when there were so many before: kubectl may be gone before the gateway knows."""
        end = time.monotonic() + SECONDS
        while len(found := self.sessions()) == before:
            self.assertLess(time.monotonic(), end, "the session is not told of")
            time.sleep(0.02)
        return found[-1]

    def run_in_box(self, *command: str, **environment: str) -> tuple[str, dict[str, Any]]:
        """What the user saw, and the session's event."""
        before = len(self.sessions())
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
        return seen.stdout.decode(), self.session(before)

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
        self.assertEqual((events[-1].code, events[-1].text), ("m", "exit status 3"))
        self.assertTrue(seen.startswith(shown), seen)

    def check_replay(self, **environment: str) -> None:
        """Somebody types, makes the window larger, and types on; what they saw is what is replayed."""
        before = len(self.sessions())
        with Terminal(self.world.kubeconfig, environment) as terminal:
            terminal.resize(30, 100)
            terminal.type("stty size", "30 100\r\n")
            terminal.resize(40, 132)
            terminal.type("stty size", "40 132\r\n")
            terminal.type("echo h\u00e4llo \u2713", "h\u00e4llo \u2713\r\n")
            self.assertEqual(terminal.end("exit 7"), 7)
        seen = terminal.seen.decode().removesuffix("command terminated with exit code 7\r\n")
        event = self.session(before)
        header, events = self.recording(event)
        self.assertEqual("".join(each.text for each in events if each.code == "o"), seen)
        sizes = [(header.size.width, header.size.height), *(each.text for each in events if each.code == "r")]
        self.assertEqual(sizes[-1], "132x40")
        path = self.folder / "sessions" / event["annotations"]["cluster.core.oam.dev/recording"]
        command = [str(Path(sys.executable).with_name("clustergateway")), "sessions", "play", "--speed", "0", str(path)]
        played = subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
        self.assertEqual(played.stdout.decode(), seen)

    def test_a_replay_over_websocket(self) -> None:
        self.check_replay()

    def test_a_replay_over_spdy(self) -> None:
        self.check_replay(KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")

    def check_silence(self, upgrade: str, **environment: str) -> None:
        before = len(self.sessions())
        command = [*(str(KUBECTL), "--kubeconfig", str(self.world.kubeconfig), "--context", "east"), "exec", "box"]
        done = subprocess.run(
            [*command, "--", "true"],
            env={**os.environ, "HOME": str(self.folder), **environment},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        event = self.session(before)
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/upgrade"].lower(), upgrade)
        header, events = self.recording(event)
        self.assertEqual(header.command, "true")
        self.assertEqual([(each.code, each.text) for each in events], [("m", "exit status 0")])
        program = str(Path(sys.executable).with_name("clustergateway"))
        listed = subprocess.run(
            [program, "sessions", "list", str(self.folder / "sessions")],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        name = event["annotations"]["cluster.core.oam.dev/recording"]
        (line,) = (line.split() for line in listed.stdout.splitlines() if line.endswith(name))
        self.assertEqual((line[2], line[-2]), ("0", "true"))

    def test_a_command_that_says_nothing_over_websocket(self) -> None:
        self.check_silence("websocket")

    def test_a_command_that_says_nothing_over_spdy(self) -> None:
        self.check_silence("spdy/3.1", KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")

    def check_cut(self, **environment: str) -> None:
        before = len(self.sessions())
        command = [*(str(KUBECTL), "--kubeconfig", str(self.world.kubeconfig), "--context", "east"), "exec", "box"]
        done = subprocess.run(
            [*command, "--", "seq", "900000"],
            env={**os.environ, "HOME": str(self.folder), **environment},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"this session must be recorded, and its recording has ended: it is larger", done.stderr)
        self.assertIn(b"1\n2\n", done.stdout)
        event = self.session(before)
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/outcome"], "refused")
        self.assertEqual(event["responseStatus"]["reason"], "ServiceUnavailable")

    def test_a_session_that_is_too_long_is_told_why_it_ends_over_websocket(self) -> None:
        self.check_cut()

    def test_a_session_that_is_too_long_is_told_why_it_ends_over_spdy(self) -> None:
        self.check_cut(KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")

    def test_a_session_over_websocket(self) -> None:
        self.check_session("websocket")

    def test_a_session_over_spdy(self) -> None:
        self.check_session("spdy/3.1", KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false")

    if which("script") is None:
        test_a_session_over_websocket.skip = test_a_session_over_spdy.skip = "there is no script to give a terminal"  # type: ignore[attr-defined]


def _is_exec(event: dict[str, Any]) -> bool:
    return bool(event.get("objectRef", {}).get("subresource") == "exec")
