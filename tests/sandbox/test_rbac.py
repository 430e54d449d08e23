from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.identity import Attributes
from clustergateway.sandbox.call import User
from clustergateway.sandbox.impersonation import impersonated
from clustergateway.sandbox.objects import Object
from clustergateway.sandbox.paths import parse
from clustergateway.sandbox.rbac import GROUP, Authorizer, access_of
from clustergateway.sandbox.status import ApiError
from clustergateway.sandbox.store import Key, Store

JANE = User("jane", ("dev", "system:authenticated"))


class RbacTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = Store()
        self.authorizer = Authorizer(self.store, True)

    def role(self, rule: Object, namespace: str = "", subject: Object | None = None) -> None:
        """Give jane, or another subject, this rule: everywhere, or in a namespace."""
        name = f"r{self.store.revision}"
        prefix = "" if namespace else "cluster"
        subjects = [subject or {"kind": "User", "name": "jane"}]
        kind = "Role" if namespace else "ClusterRole"
        meta = {"name": name, "namespace": namespace}
        self.store.put(Key(GROUP, f"{prefix}roles", namespace, name), {"metadata": meta, "rules": [rule]})
        binding = {"metadata": meta, "roleRef": {"kind": kind, "name": name}, "subjects": subjects}
        self.store.put(Key(GROUP, f"{prefix}rolebindings", namespace, name), binding)


class AccessTests(SynchronousTestCase):
    def test_one_name_by_field_selector(self) -> None:
        for selector, wanted in (
            ("metadata.name=a", "a"),
            ("metadata.name==a,type=Opaque", "a"),
            ("type=Opaque,metadata.name=a", "a"),
            ("metadata.name!=a", ""),
            ("type=Opaque", ""),
            ("", ""),
        ):
            query = {"fieldSelector": [selector], "watch": ["true"]}
            access = access_of(parse("GET", "/api/v1/secrets", query), query)
            self.assertEqual((access.verb, access.name), ("watch", wanted), selector)

    def test_field_selector_names_nothing_else(self) -> None:
        query = {"fieldSelector": ["metadata.name=a"]}
        access = access_of(parse("DELETE", "/api/v1/namespaces/n/secrets/b", query), query)
        self.assertEqual((access.verb, access.name), ("delete", "b"))


class AuthorizerTests(RbacTestCase):
    def test_rules(self) -> None:
        self.role({"apiGroups": [""], "resources": ["pods", "*/scale"], "verbs": ["get"]}, "a")
        for access, wanted in (
            (Attributes("get", resource="pods", namespace="a"), True),
            (Attributes("list", resource="pods", namespace="a"), False),
            (Attributes("get", resource="pods", namespace="b"), False),
            (Attributes("get", resource="pods"), False),
            (Attributes("get", resource="pods", subresource="log", namespace="a"), False),
            (Attributes("get", resource="things", subresource="scale", namespace="a"), True),
            (Attributes("get", "apps", resource="pods", namespace="a"), False),
        ):
            self.assertIs(self.authorizer.allowed(JANE, access), wanted, access)

    def test_wildcards_and_names(self) -> None:
        self.role({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["x"]})
        self.assertTrue(self.authorizer.allowed(JANE, Attributes("delete", "g", resource="r", name="x")))
        self.assertFalse(self.authorizer.allowed(JANE, Attributes("delete", "g", resource="r", name="y")))

    def test_subjects(self) -> None:
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
        self.role(rule, "a", {"kind": "Group", "name": "dev"})
        self.role(rule, "b", {"kind": "ServiceAccount", "name": "robot", "namespace": "c"})
        robot = User("system:serviceaccount:c:robot")
        self.assertTrue(self.authorizer.allowed(JANE, Attributes("get", resource="pods", namespace="a")))
        self.assertTrue(self.authorizer.allowed(robot, Attributes("get", resource="pods", namespace="b")))
        self.assertFalse(self.authorizer.allowed(robot, Attributes("get", resource="pods", namespace="a")))

    def test_paths(self) -> None:
        self.role({"nonResourceURLs": ["/metrics", "/debug/*"], "verbs": ["get"]})
        for path, wanted in (("/metrics", True), ("/debug/x", True), ("/other", False), ("/apis/g", True)):
            self.assertIs(self.authorizer.allowed(JANE, Attributes("get", path=path)), wanted, path)

    def test_masters(self) -> None:
        self.assertTrue(self.authorizer.allowed(User("a", ("system:masters",)), Attributes("x", resource="y")))

    def test_refusal(self) -> None:
        error = self.assertRaises(ApiError, self.authorizer.check, JANE, Attributes("get", "g", resource="r", name="n"))
        where = 'in API group "g" at the cluster scope'
        self.assertEqual(error.message, f'r.g "n" is forbidden: User "jane" cannot get resource "r" {where}')
        self.assertEqual(error.details, {"name": "n", "group": "g", "kind": "r"})


class ImpersonationTests(RbacTestCase):
    on = Attributes("list", resource="pods", namespace="a")

    def taken_on(self, *headers: tuple[str, str]) -> User:
        return impersonated(JANE, headers, self.authorizer, self.on)

    def test_nobody(self) -> None:
        self.assertEqual(self.taken_on(("accept", "*/*")), JANE)

    def test_legacy(self) -> None:
        self.role({"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]})
        found = self.taken_on(("impersonate-user", "kim"), ("impersonate-group", "g"), ("impersonate-group", "h"))
        self.assertEqual(found, User("kim", ("g", "h", "system:authenticated")))
        error = self.assertRaises(ApiError, self.taken_on, ("impersonate-user", "kim"), ("impersonate-uid", "1"))
        self.assertTrue(error.message.startswith('uids.authentication.k8s.io "1" is forbidden: '))

    def test_service_account(self) -> None:
        self.role({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}, "n")
        found = self.taken_on(("impersonate-user", "system:serviceaccount:n:robot"))
        groups = ("system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated")
        self.assertEqual(found, User("system:serviceaccount:n:robot", groups))

    def test_constrained(self) -> None:
        who = {"apiGroups": ["authentication.k8s.io"], "resources": ["users"], "verbs": ["impersonate:user-info"]}
        self.role(who)
        kim = ("impersonate-user", "kim")
        error = self.assertRaises(ApiError, self.taken_on, kim)
        self.assertIn('cannot impersonate-on:user-info:list resource "pods"', error.message)
        self.role({"apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:user-info:list"]}, "a")
        self.assertEqual(self.taken_on(kim).name, "kim")

    def test_no_user(self) -> None:
        error = self.assertRaises(ApiError, self.taken_on, ("impersonate-group", "g"))
        self.assertEqual(error.code, 400)
        self.assertIn('Groups:[]string{"g"}', error.message)
