"""A sandbox server in memory, and calls to it that are answered at once."""

from __future__ import annotations

import json
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.objects import Object
from clustergateway.sandbox.server import SandboxConfig
from clustergateway.testing.apiserver import InMemoryApiServer, in_memory

HERE = "/api/v1/namespaces/default"


class ServerTestCase(SynchronousTestCase):
    """
    Base of tests of what a server answers.

    @cvar config: of the server.
    """

    config = SandboxConfig(controllers=False)

    def setUp(self) -> None:
        self.world: InMemoryApiServer = in_memory(self.config)
        self.server = self.world.server
        self.clock: Clock = self.world.clock
        self._treq: Any = StubTreq(self.server)

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Begin a request; the response's head."""
        sent = {"Authorization": f"Bearer {self.world.token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        asked = self._treq.request(method, self.world.url + path, data=data, headers=sent)
        self._treq.flush()
        return self.successResultOf(asked)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """
        A request and its whole answer.

        @return: the code, and the body parsed from JSON if it is JSON.
        """
        response = self.send(method, path, body, **headers)
        read: Deferred[bytes] = self._treq.content(response)
        self._treq.flush()
        data = self.successResultOf(read)
        kind = response.headers.getRawHeaders("content-type", [""])[0]
        return response.code, json.loads(data) if kind.startswith("application/json") and data else data

    def get(self, path: str, **headers: str) -> Any:
        """What a GET that succeeds answers."""
        code, found = self.call("GET", path, **headers)
        self.assertEqual(code, 200, found)
        return found

    def make(self, path: str, body: Object) -> Object:
        """Create something."""
        code, made = self.call("POST", path, body)
        self.assertEqual(code, 201, made)
        found: Object = made
        return found

    def watch(self, path: str, **headers: str) -> Watched:
        """Begin a watch."""
        response = self.send("GET", path, **headers)
        self.assertEqual(response.code, 200)
        return Watched(self._treq, response)


class Watched:
    """The events of a watch, as they come."""

    def __init__(self, treq: Any, response: Any) -> None:
        self._treq = treq
        self._data = b""
        self.over = False
        treq.collect(response, self._collect).addCallback(self._ended)

    def _collect(self, data: bytes) -> None:
        self._data += data

    def _ended(self, result: object) -> None:
        self.over = True

    def events(self) -> list[Object]:
        """All that have come so far."""
        self._treq.flush()
        return [json.loads(line) for line in self._data.splitlines()]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]
