from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.paths import Target, is_true, parse


class ParseTests(SynchronousTestCase):
    def test_resources(self) -> None:
        apps = "/apis/apps/v1"
        for method, path, query, wanted in (
            ("GET", "/api/v1/pods", {}, ("list", "", "v1", "", "pods", "", "")),
            ("GET", "/api/v1/namespaces/a/pods", {}, ("list", "", "v1", "a", "pods", "", "")),
            ("GET", "/api/v1/namespaces/a/pods", {"watch": ["1"]}, ("watch", "", "v1", "a", "pods", "", "")),
            ("GET", "/api/v1/namespaces/a/pods", {"watch": ["0"]}, ("list", "", "v1", "a", "pods", "", "")),
            ("GET", "/api/v1/namespaces/a/pods/p/log", {}, ("get", "", "v1", "a", "pods", "p", "log")),
            ("POST", "/api/v1/namespaces/a/pods/p/exec", {}, ("create", "", "v1", "a", "pods", "p", "exec")),
            ("GET", "/api/v1/namespaces", {}, ("list", "", "v1", "", "namespaces", "", "")),
            ("GET", "/api/v1/namespaces/a", {}, ("get", "", "v1", "a", "namespaces", "a", "")),
            ("PUT", "/api/v1/namespaces/a/finalize", {}, ("update", "", "v1", "a", "namespaces", "a", "finalize")),
            ("DELETE", "/api/v1/namespaces/a/pods", {}, ("deletecollection", "", "v1", "a", "pods", "", "")),
            ("PATCH", f"{apps}/namespaces/a/deployments/d", {}, ("patch", "apps", "v1", "a", "deployments", "d", "")),
            ("GET", f"{apps}/watch/deployments", {}, ("watch", "apps", "v1", "", "deployments", "", "")),
            ("GET", "/api/v1/nodes/a%2Fb", {}, ("get", "", "v1", "", "nodes", "a/b", "")),
        ):  # fmt: skip
            found = parse(method, path, query)
            self.assertEqual(
                (
                    found.verb,
                    found.group,
                    found.version,
                    found.namespace,
                    found.resource,
                    found.name,
                    found.subresource,
                ),
                wanted,
            )

    def test_rest(self) -> None:
        self.assertEqual(parse("GET", "/api/v1/namespaces/a/services/s/proxy/x/y", {}).rest, "/x/y")

    def test_other_paths(self) -> None:
        for path in ("/", "/version", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz/ping"):
            self.assertEqual(parse("GET", path, {}), Target(path, "get"))

    @given(st.text("/abc%2F.", max_size=30))
    def test_never_fails(self, path: str) -> None:
        self.assertIsInstance(parse("GET", "/" + path, {}), Target)

    def test_truth(self) -> None:
        self.assertEqual([is_true(one) for one in ("1", "true", "True", "0", "false", "")], [True] * 3 + [False] * 3)
