from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.call import User
from clustergateway.sandbox.server import SandboxConfig, split_uri
from clustergateway.testing.certificates import Authority

from .serving import HERE, ServerTestCase


class IdentityTests(ServerTestCase):
    config = SandboxConfig(rbac=True, controllers=False, tokens={"jane-token": User("jane", ("dev",))})

    def test_no_credentials(self) -> None:
        code, status = self.call("GET", "/api", Authorization="")
        self.assertEqual((code, status["reason"], status["message"]), (401, "Unauthorized", "Unauthorized"))

    def test_bad_token(self) -> None:
        self.assertEqual(self.call("GET", "/api", Authorization="Bearer other")[0], 401)

    def test_token(self) -> None:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        code, review = self.call("POST", path, {}, Authorization="Bearer jane-token")
        wanted = {"username": "jane", "groups": ["dev", "system:authenticated"]}
        self.assertEqual((code, review["status"]["userInfo"]), (201, wanted))

    def test_websocket_token(self) -> None:
        protocol = "base64url.bearer.authorization.k8s.io.amFuZS10b2tlbg, v5.channel.k8s.io"
        code, _ = self.call("GET", "/api", Authorization="", Sec_WebSocket_Protocol=protocol)
        self.assertEqual(code, 200)

    def test_forbidden(self) -> None:
        code, status = self.call("GET", f"{HERE}/pods", Authorization="Bearer jane-token")
        self.assertEqual((code, status["reason"]), (403, "Forbidden"))

    def test_service_account(self) -> None:
        account = self.make(f"{HERE}/serviceaccounts", {"metadata": {"name": "robot"}})
        _, issued = self.call("POST", f"{HERE}/serviceaccounts/robot/token", {"spec": {"expirationSeconds": 600}})
        token = f"Bearer {issued['status']['token']}"
        self.assertEqual(self.call("GET", "/api", Authorization=token)[0], 200)
        self.clock.advance(600)
        self.assertEqual(self.call("GET", "/api", Authorization=token)[0], 401)
        self.assertEqual(issued["status"]["expirationTimestamp"], "2026-01-01T00:10:00Z")
        self.assertIn("uid", account["metadata"])

    def test_deleted_service_account(self) -> None:
        self.make(f"{HERE}/serviceaccounts", {"metadata": {"name": "robot"}})
        _, issued = self.call("POST", f"{HERE}/serviceaccounts/robot/token")
        token = f"Bearer {issued['status']['token']}"
        self.call("DELETE", f"{HERE}/serviceaccounts/robot")
        self.assertEqual(self.call("GET", "/api", Authorization=token)[0], 401)


class AnonymousTests(ServerTestCase):
    config = SandboxConfig(rbac=True, anonymous=True, controllers=False)

    def test_health_only(self) -> None:
        self.assertEqual(self.call("GET", "/readyz", Authorization="")[0], 200)
        code, status = self.call("GET", "/api", Authorization="")
        self.assertEqual((code, status["message"]), (403, 'forbidden: User "system:anonymous" cannot get path "/api"'))


class HostingTests(ServerTestCase):
    config = SandboxConfig(
        rbac=True,
        controllers=False,
        client_ca=Authority("users").certificate,
        front_proxy_ca=Authority("front").certificate,
    )

    def test_trust_data(self) -> None:
        path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        data = self.get(path)["data"]
        self.assertEqual(data["client-ca-file"], self.config.client_ca.decode())
        self.assertEqual(data["requestheader-client-ca-file"], self.config.front_proxy_ca.decode())

    def test_roles(self) -> None:
        base = "/apis/rbac.authorization.k8s.io/v1"
        for path in (
            f"{base}/clusterroles/system:auth-delegator",
            f"{base}/namespaces/kube-system/roles/extension-apiserver-authentication-reader",
        ):
            self.assertTrue(self.get(path)["rules"])


class AnswersTests(ServerTestCase):
    def test_headers(self) -> None:
        response = self.send("GET", "/api")
        self.assertRegex(response.headers.getRawHeaders("audit-id")[0], "^[0-9a-f-]{36}$")

    def test_pretty(self) -> None:
        response = self.send("GET", "/version", User_Agent="curl/8")
        read = self._treq.content(response)
        self._treq.flush()
        self.assertTrue(self.successResultOf(read).startswith(b'{\n  "major"'))

    def test_pods_stream(self) -> None:
        """The streaming subresources are answered for pods that are there."""
        self.assertEqual(self.call("GET", f"{HERE}/pods/p/log")[0], 404)
        self.make(f"{HERE}/pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}})
        self.assertEqual(self.call("PUT", f"{HERE}/pods/p/log")[0], 405)

    def test_eviction(self) -> None:
        self.make(f"{HERE}/pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}})
        self.assertEqual(self.call("POST", f"{HERE}/pods/p/eviction", {"metadata": {"name": "p"}})[0], 201)
        self.assertEqual(self.call("GET", f"{HERE}/pods/p")[0], 404)

    def test_seed(self) -> None:
        names = [item["metadata"]["name"] for item in self.get("/api/v1/namespaces")["items"]]
        self.assertEqual(names, ["default", "kube-node-lease", "kube-public", "kube-system"])


class UriTests(SynchronousTestCase):
    def test_split(self) -> None:
        found = split_uri(b"/a%2Fb?x=1&x=2&y=&z=%20")
        self.assertEqual(found, ("/a%2Fb", {"x": ["1", "2"], "y": [""], "z": [" "]}))
