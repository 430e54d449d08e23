"""The image, without a container engine: the Dockerfile's own steps in a folder and fresh virtual environments."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from .world import Process

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600
ONLY_IN_AN_IMAGE = ("useradd", "install")
"""Commands that need root: who owns what is not looked at here."""


def instructions() -> Iterator[tuple[str, str]]:
    """Instruction and arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest


class Image:
    """
    What the Dockerfile makes, with a folder in the place of C{/}.

    @ivar stages: the root folder of each stage by its name; the last one's is C{""}.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stages: dict[str, Path] = {}
        self.entrypoint: list[str] = []
        self.path = ""
        self._stage = folder
        self._at = "/"
        for name, rest in instructions():
            getattr(self, f"_{name.lower()}")(rest)

    def _from(self, rest: str) -> None:
        _, _, name = rest.partition(" AS ")
        self._at = "/"
        self._stage = self.stages[name] = self._folder / (name or "final")
        # The base image's python: one that has nothing installed.
        subprocess.run([sys.executable, "-m", "venv", str(self._stage / "python")], check=True, timeout=SECONDS)

    def _workdir(self, rest: str) -> None:
        self._at = rest
        self._inside(rest).mkdir(parents=True, exist_ok=True)

    def _inside(self, path: str) -> Path:
        return self._stage / Path(self._at, path).as_posix().lstrip("/")

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        root = ROOT
        if sources[0].startswith("--from="):
            root = self.stages[sources.pop(0).removeprefix("--from=")]
        for source in sources:
            found, to = root / source.lstrip("/"), self._inside(target)
            if found.is_dir():
                shutil.copytree(found, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, to)

    def _run(self, rest: str) -> None:
        for command in rest.split("&&"):
            words = [self._moved(word) for word in shlex.split(command)]
            if words[0] not in ONLY_IN_AN_IMAGE:
                done = subprocess.run(
                    words,
                    cwd=self._inside("."),
                    env=self.environment(),
                    capture_output=True,
                    text=True,
                    timeout=SECONDS,
                    check=False,
                )
                if "Could not find a version" in done.stderr or "ConnectionError" in done.stderr:
                    raise SkipTest(f"the packages cannot be had: {done.stderr[-300:]}")
                if done.returncode:
                    raise AssertionError(f"{command}: {done.stderr[-3000:]}")

    def _moved(self, word: str) -> str:
        return str(self._stage) + word if word.startswith("/") else word

    def environment(self) -> dict[str, str]:
        """Of a process in the image."""
        path = ":".join(part for part in (self.path, str(self._stage / "python" / "bin"), "/usr/bin", "/bin") if part)
        kept = {key: value for key, value in os.environ.items() if key.startswith("PIP_") or key == "HOME"}
        return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1"}

    def _env(self, rest: str) -> None:
        found = dict(word.split("=", 1) for word in shlex.split(rest))
        self.path = self._moved(found["PATH"].removesuffix(":$PATH"))

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = json.loads(rest)

    def _user(self, rest: str) -> None:
        self.user = rest

    def _expose(self, rest: str) -> None:
        self.exposed = rest

    def process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The image, run to its end."""
        found = shutil.which(self.entrypoint[0], path=self.path)
        assert found is not None, self.path
        return subprocess.run(
            [found, *self.entrypoint[1:], *arguments],
            cwd=self._inside("."),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        return ["env", "-i", *(f"{k}={v}" for k, v in self.environment().items()), *self.entrypoint, *arguments]


class ImageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="image-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_steps(self) -> None:
        image = Image(self.folder)
        self.assertEqual((image.user, image.exposed), ("65532:65532", "9443"))
        # What is in the final stage came from wheels alone.
        self.assertFalse(list((self.folder / "final").rglob("setup.cfg")))
        self.assertTrue(list((self.folder / "final" / "opt").rglob("twisted/plugins/dropin.cache")))
        self.assertIn("--secret-namespace", image.process("--help").stdout)
        # The original's arguments, where there is no hosting cluster.
        original = (
            "--secure-port=0",
            "--secret-namespace=vela-system",
            "--feature-gates=APIPriorityAndFairness=false,ClientIdentityPenetration=true",
        )
        alone = image.process(*original)
        self.assertNotEqual(alone.returncode, 0)
        self.assertIn("cluster-gateway: ", alone.stderr)
        (self.folder / "hub.kubeconfig").write_text(_KUBECONFIG)
        hub = ("--kubeconfig", str(self.folder / "hub.kubeconfig"), "--bind-address=127.0.0.1")
        running = Process(image.command(*original, *hub), ": The hub cannot be reached", self.folder)
        self.assertEqual(running.end(), 0)
        self.assertIn("serving on https://", running.output)
        self.assertIn("APIPriorityAndFairness", running.output)


_KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: hub, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}]
users: [{name: hub, user: {token: none}}]
contexts: [{name: hub, context: {cluster: hub, user: hub}}]
current-context: hub
"""
