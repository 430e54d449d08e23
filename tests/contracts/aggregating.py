"""Contracts: the aggregation layer of a hosting cluster, seen from both sides."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from .discovering import AGGREGATED
from .extension import VERSION, Extension
from .world import ContractTestCase, Object

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


class _Collect(Protocol):
    """A raw connection."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = Deferred[None]()
        self._waiting: tuple[bytes, Deferred[bytes]] | None = None

    def until(self, what: bytes) -> Deferred[bytes]:
        waiting = Deferred[bytes]()
        self._waiting = (what, waiting)
        self.dataReceived(b"")
        return waiting

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if self._waiting is not None and self._waiting[0] in self.data:
            (_, waiting), self._waiting = self._waiting, None
            waiting.callback(self.data)

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008 (its signature)
        self.lost.callback(None)


class Aggregating(ContractTestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.group = f"{self.namespace}.example.com"
        self.base = f"/apis/{self.group}/{VERSION}"
        self.extension = Extension(self._reactor, self.group, "ext", self.namespace)
        spec: Object = {"type": "ExternalName", "externalName": "localhost"}
        await self.api.call("POST", f"{self.here}/services", {"metadata": {"name": "ext"}, "spec": spec})
        self.name = f"{VERSION}.{self.group}"
        service = {"name": "ext", "namespace": self.namespace, "port": self.extension.port}
        ca = base64.b64encode(self.extension.authority.certificate).decode()
        spec = {"group": self.group, "version": VERSION, "service": service, "caBundle": ca}
        spec |= {"groupPriorityMinimum": 1000, "versionPriority": 15}
        made = await self.api.call("POST", SERVICES, {"metadata": {"name": self.name}, "spec": spec})
        self.assertEqual(made.code, 201, made.body)
        await self.available("True")

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.api.call("DELETE", f"{SERVICES}/{self.name}")
        await super().tearDown()
        await self.extension.stop()

    async def available(self, status: str) -> Object:
        """Wait until the APIService says so."""
        for _ in range(300):
            found = (await self.api.call("GET", f"{SERVICES}/{self.name}")).json()
            for condition in (found.get("status") or {}).get("conditions") or ():
                if condition["type"] == "Available" and condition["status"] == status:
                    return dict(condition)
            await task.deferLater(self._reactor, 0.1)
        raise AssertionError(f"the APIService does not become {status}")

    async def eventually(self, path: str, **headers: str) -> Object:
        """What a GET answers once it answers 200."""
        for _ in range(300):
            reply = await self.api.call("GET", path, **headers)
            if reply.code == 200:
                return dict(reply.json())
            await task.deferLater(self._reactor, 0.1)
        raise AssertionError(f"{path} does not answer")

    async def test_condition(self) -> None:
        condition = await self.available("True")
        self.assertEqual((condition["reason"], condition["message"]), ("Passed", "all checks passed"))
        checks = [(user, groups) for path, user, groups in self.extension.seen if path == self.base]
        self.assertIn(("system:kube-aggregator", "system:masters"), checks)

    async def test_request(self) -> None:
        """Who asks is said in headers; what proved it is not passed on."""
        reply = await self.eventually(f"{self.base}/echoes/a%2Fb?z=1&a=2&z=0", X_Remote_User="root", X_Other="kept")
        headers = [tuple(pair) for pair in reply["headers"]]
        self.assertEqual((reply["method"], reply["uri"]), ("GET", f"{self.base}/echoes/a/b?a=2&z=1&z=0"))
        named = dict(headers)
        self.assertEqual(named["x-remote-user"], "admin")
        groups = [value for name, value in headers if name == "x-remote-group"]
        self.assertEqual(groups, ["system:masters", "system:authenticated"])
        self.assertEqual(named["x-other"], "kept")
        self.assertIn("audit-id", named)
        self.assertIn("127.0.0.1", named["x-forwarded-for"])
        self.assertNotIn("authorization", named)

    async def test_impersonation_is_consumed(self) -> None:
        await self.eventually(f"{self.base}/echoes/a")
        roles = "/apis/rbac.authorization.k8s.io/v1"
        name = self.namespace
        rules = [{"apiGroups": [self.group], "resources": ["*"], "verbs": ["*"]}]
        await self.api.call("POST", f"{roles}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        subjects = [{"kind": "User", "name": "jane"}]
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
        await self.api.call("POST", f"{roles}/clusterrolebindings", body)
        who = {"Impersonate_User": "jane", "Impersonate_Group": "dev", "Impersonate_Extra_Some%2fkey": "thing"}
        reply = await self.eventually(f"{self.base}/echoes/a", **who)
        headers = [tuple(pair) for pair in reply["headers"]]
        found = sorted(pair for pair in headers if pair[0].startswith(("x-remote", "impersonate")))
        wanted = [("x-remote-extra-some%2fkey", "thing"), ("x-remote-group", "dev")]
        wanted += [("x-remote-group", "system:authenticated"), ("x-remote-user", "jane")]
        self.assertEqual([(name, value) for name, value in found if name != "x-remote-uid"], wanted)

    async def test_refused_before_it(self) -> None:
        """The hosting cluster's own RBAC is asked first."""
        await self.eventually(f"{self.base}/echoes/a")
        reply = await self.api.call("GET", f"{self.base}/echoes/a", Impersonate_User="nobody")
        where = f'resource "echoes" in API group "{self.group}" at the cluster scope'
        message = f'echoes.{self.group} "a" is forbidden: User "nobody" cannot get {where}'
        self.assertEqual((reply.code, reply.json()["message"]), (403, message))

    async def test_body(self) -> None:
        await self.eventually(f"{self.base}/echoes/a")
        reply = await self.api.call("POST", f"{self.base}/echoes", {"some": "thing"})
        self.assertEqual((reply.json()["method"], reply.json()["body"]), ("POST", '{"some": "thing"}'))

    async def test_stream(self) -> None:
        await self.eventually(f"{self.base}/echoes/a")
        code, watching = await self.api.watch(f"{self.base}/echoes?watch=true")
        events = await watching.until(1)
        await watching.stop()
        self.assertEqual((code, events), (200, [{"type": "ADDED", "object": {}}]))

    async def test_discovery(self) -> None:
        await self.eventually(f"/apis/{self.group}")
        groups = (await self.api.call("GET", "/apis")).json()["groups"]
        version = {"groupVersion": f"{self.group}/{VERSION}", "version": VERSION}
        self.assertIn({"name": self.group, "versions": [version], "preferredVersion": version}, groups)
        for _ in range(300):
            items = (await self.api.call("GET", "/apis", Accept=AGGREGATED)).json()["items"]
            mine = [item for item in items if item["metadata"]["name"] == self.group]
            if mine and mine[0]["versions"][0].get("resources"):
                break
            await task.deferLater(self._reactor, 0.1)
        (found,) = mine[0]["versions"][0]["resources"]
        self.assertEqual((found["resource"], found["scope"], found["verbs"]), ("echoes", "Cluster", ["get", "create"]))
        self.assertEqual(mine[0]["versions"][0]["freshness"], "Current")

    async def test_openapi(self) -> None:
        for _ in range(600):
            document = (await self.api.call("GET", "/openapi/v2", Accept="application/json")).json()
            mine = f"{self.base}/echoes"
            if mine in document["paths"]:
                return
            await task.deferLater(self._reactor, 0.1)
        self.fail("the document is not merged")

    async def test_gone(self) -> None:
        """A server that is not there any more is answered for with 503."""
        await self.eventually(f"{self.base}/echoes/a")
        await self.extension.stop()
        patch = {"spec": {"versionPriority": 16}}
        await self.api.call("PATCH", f"{SERVICES}/{self.name}", patch, "application/merge-patch+json")
        for _ in range(300):
            reply = await self.api.call("GET", f"{self.base}/echoes/a")
            if reply.code == 503:
                return
            await task.deferLater(self._reactor, 0.1)
        self.fail("it still answers")

    async def test_upgrade(self) -> None:
        await self.eventually(f"{self.base}/echoes/a")
        connection = await self.connect(f"{self.base}/echoes/a/upgrade")
        head = await connection.until(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        transport: Any = connection.transport
        transport.write(b"hello")
        await connection.until(b"HELLO")
        transport.loseConnection()
        await connection.lost

    async def test_refused_upgrade(self) -> None:
        await self.eventually(f"{self.base}/echoes/a")
        connection = await self.connect(f"{self.base}/echoes/a/refusedupgrade")
        seen = await connection.until(b"no upgrade")
        self.assertTrue(seen.startswith(b"HTTP/1.1 403 "), seen)
        transport: Any = connection.transport
        transport.loseConnection()
        await connection.lost

    async def connect(self, path: str) -> _Collect:
        """Ask for an upgrade on a connection of its own."""
        host, _, port = self.world.url.removeprefix("https://").partition(":")
        options = self.world.tls.creatorForNetloc(host.encode(), int(port))
        endpoint = wrapClientTLS(options, HostnameEndpoint(self._reactor, host, int(port)))
        connection = _Collect()
        await endpoint.connect(Factory.forProtocol(lambda: connection))
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: echo"]
        lines += [f"{name}: {value}" for name, value in self.world.headers.items()]
        transport: Any = connection.transport
        transport.write("\r\n".join([*lines, "", ""]).encode())
        return connection


class Trusting(ContractTestCase):
    async def test_trust_data(self) -> None:
        """What an aggregated server learns whom to believe from."""
        path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        for _ in range(100):
            reply = await self.api.call("GET", path)
            if reply.code == 200:
                break
            await task.deferLater(self._reactor, 0.1)
        data = reply.json()["data"]
        self.assertEqual(data["requestheader-allowed-names"], '["front-proxy-client"]')
        self.assertEqual(data["requestheader-username-headers"], '["X-Remote-User"]')
        self.assertEqual(data["requestheader-group-headers"], '["X-Remote-Group"]')
        self.assertEqual(data["requestheader-extra-headers-prefix"], '["X-Remote-Extra-"]')
        for key in ("client-ca-file", "requestheader-client-ca-file"):
            self.assertTrue(data[key].startswith("-----BEGIN CERTIFICATE-----"))
