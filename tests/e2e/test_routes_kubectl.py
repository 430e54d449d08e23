"""The conversations of L{tests.e2e.test_kubectl_streams}, and plain ones, through the gateway over every route."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from . import routed
from .test_kubectl_streams import SPDY, Copy, Exec, Forward, Logs


class Plain:
    async def test_list_and_watch(self: Any) -> None:
        watch = self.kubectl.start("get", "configmaps", "--watch", "--output=name")
        await watch.until(b"configmap/")
        await self.kubectl.run("create", "configmap", "seen", "--from-literal=a=b")
        await watch.until(b"configmap/seen")
        _, out, _ = await self.kubectl.run("get", "configmaps", "--output=name")
        self.assertIn(b"configmap/seen\n", out)
        await watch.stop()

    async def test_large_upload_and_download(self: Any) -> None:
        text = hashlib.shake_128(b"large").hexdigest(400_000)
        path = str(self.folder / "large")
        Path(path).write_text(text)
        code, _, err = await self.kubectl.run("create", "configmap", "large", f"--from-file=text={path}")
        self.assertEqual(code, 0, err)
        _, out, _ = await self.kubectl.run("get", "configmap", "large", "--output=json")
        self.assertEqual(json.loads(out)["data"]["text"] == text, True)


class PlainOverConnect(Plain, routed.ThroughConnect):
    pass


class PlainOverSocks5(Plain, routed.ThroughSocks5):
    pass


class PlainOverKonnectivity(Plain, routed.ThroughKonnectivity):
    pass


class PlainOverHttpConnectKonnectivity(Plain, routed.ThroughHttpConnectKonnectivity):
    pass


class ExecOverConnect(Exec, routed.ThroughConnect):
    pass


class ExecOverSocks5(Exec, routed.ThroughSocks5):
    environment = SPDY


class ExecOverKonnectivity(Exec, routed.ThroughKonnectivity):
    pass


class ExecOverHttpConnectKonnectivity(Exec, routed.ThroughHttpConnectKonnectivity):
    environment = SPDY


class CopyOverConnect(Copy, routed.ThroughConnect):
    environment = SPDY


class CopyOverSocks5(Copy, routed.ThroughSocks5):
    pass


class CopyOverKonnectivity(Copy, routed.ThroughKonnectivity):
    pass


class CopyOverHttpConnectKonnectivity(Copy, routed.ThroughHttpConnectKonnectivity):
    pass


class ForwardOverConnect(Forward, routed.ThroughConnect):
    environment = SPDY


class ForwardOverSocks5(Forward, routed.ThroughSocks5):
    pass


class ForwardOverKonnectivity(Forward, routed.ThroughKonnectivity):
    pass


class ForwardOverHttpConnectKonnectivity(Forward, routed.ThroughHttpConnectKonnectivity):
    pass


class LogsOverConnect(Logs, routed.ThroughConnect):
    pass


class LogsOverSocks5(Logs, routed.ThroughSocks5):
    pass


class LogsOverKonnectivity(Logs, routed.ThroughKonnectivity):
    pass


class LogsOverHttpConnectKonnectivity(Logs, routed.ThroughHttpConnectKonnectivity):
    pass
