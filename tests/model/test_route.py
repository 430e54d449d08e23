"""Proxy targets: the cluster's part of the URL arrives to the byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model.route import PREFIX, Route, is_proxied, parse_route

EAST = PREFIX + b"east/proxy"


class OpaqueTests(SynchronousTestCase):
    def test_upstream_target(self) -> None:
        for behind, target in [
            (b"", b"/"),
            (b"/", b"/"),
            (b"?", b"/?"),
            (b"?watch=true", b"/?watch=true"),
            (b"/api/v1/pods", b"/api/v1/pods"),
            (b"/api/v1/pods/", b"/api/v1/pods/"),
            (b"/api/v1/pods?", b"/api/v1/pods?"),
            (b"/a%2Fb/%20?dryRun=All&dryRun=&x=%zz", b"/a%2Fb/%20?dryRun=All&dryRun=&x=%zz"),
            (b"//a?b?c=d", b"//a?b?c=d"),
            (b"/a?proxy=/b/../..", b"/a?proxy=/b/../.."),
            (b"/x?path=/y", b"/x?path=/y"),
            (b"/?path=/y", b"/?path=/y"),
        ]:
            route = parse_route(EAST + behind)
            assert route is not None
            self.assertEqual((route.name, route.target, route.impersonate), ("east", target, None))

    @given(st.binary().map(lambda raw: raw.replace(b"?", b"").replace(b"%", b"").replace(b"..", b".")))
    def test_any_path(self, path: bytes) -> None:
        self.assertEqual(parse_route(EAST + b"/" + path), Route("east", b"/" + path))

    @given(st.binary().filter(lambda raw: b"impersonate" not in raw))
    def test_any_query(self, query: bytes) -> None:
        self.assertEqual(parse_route(EAST + b"/a?" + query), Route("east", b"/a", b"?" + query))


class NotProxiedTests(SynchronousTestCase):
    def test_other_targets(self) -> None:
        for target in (
            b"/",
            b"*",
            PREFIX,
            PREFIX + b"east",
            PREFIX + b"east/health",
            PREFIX + b"east/proxyx",
            PREFIX + b"east/Proxy",
            PREFIX + b"/proxy",
            PREFIX + b"east?x=/proxy/",
            PREFIX + b"east/health/proxy/",
            PREFIX + b"../proxy/",
            PREFIX + b"East/proxy",
            PREFIX + b"a..b/proxy",
            PREFIX + b"-a/proxy",
            PREFIX + b"a-/proxy",
            PREFIX + b"a%2fb/proxy",
            PREFIX + b"a\n/proxy",
            PREFIX + b"a" * 254 + b"/proxy",
            b"/apis/cluster.core.oam.dev/v1alpha1/virtualclusters/east/proxy/",
        ):
            self.assertIs(parse_route(target), None, repr(target))
            self.assertFalse(is_proxied(target))

    def test_names(self) -> None:
        for name in ("a", "a.b", "a--b.c0", "0", "a" * 253):
            route = parse_route(PREFIX + name.encode() + b"/proxy/x")
            assert route is not None
            self.assertEqual((route.name, route.rest), (name, b"/x"))

    @given(st.binary())
    def test_fails_in_no_other_way(self, behind: bytes) -> None:
        for target in (behind, PREFIX + behind, EAST + behind):
            self.assertEqual(self.is_route(target), is_proxied(target))

    def is_route(self, target: bytes) -> bool:
        try:
            return parse_route(target) is not None
        except BadRequest:
            return True


class OptionTests(SynchronousTestCase):
    def test_impersonate_is_taken_out_and_nothing_else_is_touched(self) -> None:
        for query, left, said in [
            (b"?impersonate=true", b"", True),
            (b"?impersonate", b"", True),
            (b"?impersonate=false", b"", False),
            (b"?impersonate=%30", b"", False),
            (b"?a=%2f&impersonate=1&&a=b", b"?a=%2f&&a=b", True),
            (b"?impersonate=0&impersonate=1&c", b"?c", False),
            (b"?ximpersonate=1&impersonated=1", b"?ximpersonate=1&impersonated=1", None),
        ]:
            self.assertEqual(parse_route(EAST + b"/p" + query), Route("east", b"/p", left, said), repr(query))

    def test_path_is_used_if_there_is_no_other(self) -> None:
        for query, rest, left in [
            (b"?path=/healthz", b"/healthz", b""),
            (b"?path=healthz&watch=true", b"/healthz", b"?watch=true"),
            (b"?path=%2Fapi%2Fv1%3Fx%20%0d%0a", b"/api/v1%3Fx%20%0D%0A", b""),
            (b"?path=a+b", b"/a%20b", b""),
            (b"?path=", b"", b""),
            (b"?xpath=1", b"", b"?xpath=1"),
            (b"?path=/a&impersonate=true", b"/a", b""),
        ]:
            route = parse_route(EAST + query)
            assert route is not None
            self.assertEqual((route.rest, route.query), (rest, left), repr(query))


class GoingUpTests(SynchronousTestCase):
    def test_refused(self) -> None:
        """Behind a server that takes them out, they would name something else than what was permitted."""
        for rest in (
            b"/..",
            b"/../x",
            b"/a/..",
            b"/openapi/../api/v1/secrets",
            b"/openapi/%2e%2e/api/v1/secrets",
            b"/api/v1/nodes/n/x/../proxy/run",
            b"/.%2E/x",
            b"/a%2F..%2fb",
            b"?path=..",
            b"?path=a/%2e%2e/x",
        ):
            self.assertRaises(BadRequest, parse_route, EAST + rest)

    def test_dots_that_are_names(self) -> None:
        for rest in (b"/..a/b..", b"/...", b"/a/./b", b"/%252e%252e", b"/a?x=/../..", b"/apis/a.b/v1"):
            route = parse_route(EAST + rest)
            assert route is not None
            self.assertEqual(route.target, rest)
