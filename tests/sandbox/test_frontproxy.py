from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.call import User
from clustergateway.sandbox.frontproxy import identity, passed_on, target
from clustergateway.sandbox.remotes import aggregated


class FrontProxyTests(SynchronousTestCase):
    def test_target(self) -> None:
        """Paths arrive decoded, queries sorted by name."""
        for given, wanted in (
            ("/apis/g/v1/x", "/apis/g/v1/x"),
            ("/a%2Fb/c%20d", "/a/b/c%20d"),
            ("/x?b=1&a=2&b=0", "/x?a=2&b=1&b=0"),
            ("/x?a=c%20d&e", "/x?a=c+d&e="),
            ("/x?", "/x"),
        ):
            self.assertEqual(target(given), wanted)

    def test_identity(self) -> None:
        user = User("jane", ("dev", "ops"), "u1", {"a.io/b": ("1", "2")})
        wanted = [
            ("X-Remote-User", "jane"),
            ("X-Remote-Uid", "u1"),
            ("X-Remote-Group", "dev"),
            ("X-Remote-Group", "ops"),
        ]
        wanted += [("X-Remote-Extra-a.io%2Fb", "1"), ("X-Remote-Extra-a.io%2Fb", "2")]
        self.assertEqual(identity(user), wanted)

    def test_what_is_consumed(self) -> None:
        """No header that a client sends becomes an identity behind the front proxy."""
        sent = [
            ("authorization", "Bearer x"),
            ("impersonate-user", "root"),
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
            ("x-forwarded-for", "1.2.3.4"),
            ("connection", "upgrade"),
            ("upgrade", "spdy/3.1"),
            ("accept", "*/*"),
        ]
        found = passed_on(sent, User("jane"), {"Audit-Id": "1"}, False)
        self.assertEqual(found, [("accept", "*/*"), ("X-Remote-User", "jane"), ("Audit-Id", "1")])
        upgraded = passed_on(sent, User("jane"), {}, True)
        self.assertEqual(upgraded[1:3], [("Connection", "Upgrade"), ("upgrade", "spdy/3.1")])


class AggregatedTests(SynchronousTestCase):
    def test_plain_list(self) -> None:
        verbs = ["get"]
        own = {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing", "verbs": verbs}
        below = {"name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing", "verbs": verbs}
        found = aggregated({"resources": [below, {**own, "shortNames": ["t"]}]}, "v1")
        response = {"group": "", "version": "", "kind": "Thing"}
        sub = {"subresource": "status", "responseKind": response, "verbs": verbs}
        wanted = {"resource": "things", "subresources": [sub], "responseKind": response, "scope": "Namespaced"}
        wanted |= {"singularResource": "thing", "verbs": verbs, "shortNames": ["t"]}
        self.assertEqual(found, {"version": "v1", "resources": [wanted], "freshness": "Current"})
