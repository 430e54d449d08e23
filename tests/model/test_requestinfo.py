"""What a request asks for, against the table that kube-apiserver's RequestInfo follows."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model.identity import Attributes
from clustergateway.model.requestinfo import parse_request_info

G = "/apis/cluster.core.oam.dev/v1alpha1"
OWN = {"group": "cluster.core.oam.dev", "version": "v1alpha1"}

TABLE: list[tuple[str, str, str, Attributes]] = [
    # Not resources.
    ("GET", "/", "", Attributes("get", path="/")),
    ("GET", "/api", "", Attributes("get", path="/api")),
    ("GET", "/api/v1", "", Attributes("get", path="/api/v1")),
    ("GET", "/apis/apps/v1", "", Attributes("get", path="/apis/apps/v1")),
    ("GET", "/apis/apps/v1/", "", Attributes("get", path="/apis/apps/v1/")),
    ("POST", "/healthz/ping", "", Attributes("post", path="/healthz/ping")),
    ("OPTIONS", "/foo/bar/baz/qux", "", Attributes("options", path="/foo/bar/baz/qux")),
    # Verbs.
    ("GET", "/api/v1/pods", "", Attributes("list", version="v1", resource="pods")),
    ("HEAD", "/api/v1/pods", "", Attributes("list", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "watch=true", Attributes("watch", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "watch=1", Attributes("watch", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "watch", Attributes("watch", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "watch=false", Attributes("list", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "watch=%zz", Attributes("list", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "w%61tch=1", Attributes("watch", version="v1", resource="pods")),
    ("POST", "/api/v1/pods", "", Attributes("create", version="v1", resource="pods")),
    ("DELETE", "/api/v1/pods", "", Attributes("deletecollection", version="v1", resource="pods")),
    ("DELETE", "/api/v1/nodes/n", "", Attributes("delete", version="v1", resource="nodes", name="n")),
    ("PUT", "/api/v1/nodes/n", "", Attributes("update", version="v1", resource="nodes", name="n")),
    ("PATCH", "/api/v1/nodes/n", "", Attributes("patch", version="v1", resource="nodes", name="n")),
    ("GET", "/api/v1/nodes/n", "watch=1", Attributes("get", version="v1", resource="nodes", name="n")),
    ("OPTIONS", "/api/v1/nodes/n", "", Attributes("", version="v1", resource="nodes", name="n")),
    ("get", "/api/v1/nodes/n", "", Attributes("", version="v1", resource="nodes", name="n")),
    # Namespaces.
    ("GET", "/api/v1/namespaces", "", Attributes("list", version="v1", resource="namespaces")),
    (
        "GET",
        "/api/v1/namespaces/a",
        "",
        Attributes("get", version="v1", resource="namespaces", namespace="a", name="a"),
    ),
    (
        "PUT",
        "/api/v1/namespaces/a/finalize",
        "",
        Attributes("update", version="v1", resource="namespaces", subresource="finalize", namespace="a", name="a"),
    ),
    (
        "GET",
        "/api/v1/namespaces/a/status",
        "",
        Attributes("get", version="v1", resource="namespaces", subresource="status", namespace="a", name="a"),
    ),
    ("GET", "/api/v1/namespaces/a/pods", "", Attributes("list", version="v1", resource="pods", namespace="a")),
    (
        "GET",
        "/apis/apps/v1/namespaces/a/deployments/d/scale",
        "",
        Attributes("get", "apps", "v1", "deployments", "scale", "a", "d"),
    ),
    (
        "POST",
        "/api/v1/namespaces/a/pods/p/exec",
        "command=sh",
        Attributes("create", version="v1", resource="pods", subresource="exec", namespace="a", name="p"),
    ),
    (
        "GET",
        "/api/v1/namespaces/a/services/s/proxy/x/y",
        "",
        Attributes("get", version="v1", resource="services", subresource="proxy", namespace="a", name="s"),
    ),
    # Verbs in the path, as they were once.
    ("GET", "/api/v1/watch/pods", "", Attributes("watch", version="v1", resource="pods")),
    (
        "GET",
        "/api/v1/watch/namespaces/a/pods/p",
        "",
        Attributes("watch", version="v1", resource="pods", namespace="a", name="p"),
    ),
    (
        "GET",
        "/api/v1/proxy/namespaces/a/pods/p/x",
        "",
        Attributes("proxy", version="v1", resource="pods", namespace="a", name="p"),
    ),
    # Names in field selectors.
    (
        "GET",
        "/api/v1/pods",
        "fieldSelector=metadata.name%3Dp",
        Attributes("list", version="v1", resource="pods", name="p"),
    ),
    (
        "GET",
        "/api/v1/pods",
        "fieldSelector=a=b,metadata.name==p&watch=1",
        Attributes("watch", version="v1", resource="pods", name="p"),
    ),
    ("GET", "/api/v1/pods", "fieldSelector=metadata.name!=p", Attributes("list", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "fieldSelector=metadata.name=..", Attributes("list", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "fieldSelector=metadata.name=a/b", Attributes("list", version="v1", resource="pods")),
    ("GET", "/api/v1/pods", "fieldSelector=metadata.name", Attributes("list", version="v1", resource="pods")),
    ("DELETE", "/api/v1/pods", "fieldSelector=metadata.name=p", Attributes("deletecollection", "", "v1", "pods")),
    # Encoded, as the server will decode it.
    (
        "GET",
        "/api/v1/namespaces%2Fkube-system/secrets/s",
        "",
        Attributes("get", version="v1", resource="secrets", namespace="kube-system", name="s"),
    ),
    ("GET", "//api/v1/nodes//", "", Attributes("list", version="v1", resource="nodes")),
    # Our own.
    ("GET", f"{G}/clustergateways", "", Attributes("list", **OWN, resource="clustergateways")),
    (
        "PUT",
        f"{G}/clustergateways/east/health",
        "",
        Attributes("update", **OWN, resource="clustergateways", subresource="health", name="east"),
    ),
    (
        "POST",
        f"{G}/clustergateways/east/proxy/api/v1/pods",
        "",
        Attributes("create", **OWN, resource="clustergateways", subresource="proxy", name="east"),
    ),
]


class RequestInfoTests(SynchronousTestCase):
    def test_table(self) -> None:
        for method, path, query, expected in TABLE:
            self.assertEqual(parse_request_info(method, path, query), expected, f"{method} {path}?{query}")

    def test_verbs_in_the_path_need_something_behind(self) -> None:
        for path in ("/api/v1/watch", "/apis/apps/v1/proxy", "/api/v1/watch/"):
            with self.assertRaises(BadRequest):
                parse_request_info("GET", path, "")

    def test_a_broken_escape_is_a_bad_request(self) -> None:
        with self.assertRaises(BadRequest):
            parse_request_info("GET", "/api/v1/pods/%f", "")

    @given(
        st.sampled_from(["GET", "POST", "DELETE"]),
        st.lists(st.sampled_from(["api", "apis", "v1", "watch", "proxy", "namespaces", "status", "", "%2F", "%", "x"])),
        st.text(),
    )
    def test_fails_in_no_other_way(self, method: str, parts: list[str], query: str) -> None:
        try:
            found = parse_request_info(method, "/" + "/".join(parts), query)
        except BadRequest:
            return
        if found.path:
            self.assertEqual(found, Attributes(method.lower(), path=found.path))

    def test_what_another_server_might_read_otherwise(self) -> None:
        for path in (
            "/api/v1/nodes//n/proxy/run",
            "/api/v1//nodes/n",
            "/apis//v1/pods/p",
            "/api/v1/namespaces//secrets",
            "/api/v1/namespaces/proxy//secrets",
            "/api/v1/namespaces/a/pods/proxy//exec",
            "/api/v1/nodes%2F%2Fn/proxy",
            "/api/v1/nodes\\n\\proxy",
            "/api/v1/nodes/n%5Cproxy",
            "/api/v1/proxy/namespaces/a//pods/p",
            "/api/v1/nodes/n/./proxy/run",
            "/api/v1/nodes/n/%2e/proxy/run",
            "/api/v1/nodes/n/.;x/proxy/run",
            "/./api/v1/secrets",
            "/\\api\\v1\\secrets",
        ):
            with self.assertRaises(BadRequest, msg=path):
                parse_request_info("GET", path, "")

    def test_what_is_behind_a_proxy_may_be_anything(self) -> None:
        for path in ("/api/v1/nodes/n/proxy//a\\b/./c", "/api/v1/proxy/namespaces/a/pods/p//x\\", "/metrics//x"):
            parse_request_info("GET", path, "")

    @given(
        st.lists(st.sampled_from(["api", "apis", "v1", "watch", "proxy", "namespaces", "a", "", "pods"]), max_size=9)
    )
    def test_merged_slashes_change_nothing(self, parts: list[str]) -> None:
        path = "/" + "/".join(parts)
        try:
            found = parse_request_info("GET", path, "")
        except BadRequest:
            return
        if not found.path:
            self.assertEqual(found, parse_request_info("GET", re.sub("/+", "/", path), ""))

    @given(st.lists(st.from_regex(r"[a-z]{3,8}", fullmatch=True), min_size=4, max_size=4))
    def test_round_trip(self, words: list[str]) -> None:
        group, namespace, resource, name = words
        path = f"/apis/{group}/v1/namespaces/{namespace}/{resource}s/{name}"
        expected = Attributes("get", group, "v1", f"{resource}s", "", namespace, name)
        self.assertEqual(parse_request_info("GET", path, ""), expected)
