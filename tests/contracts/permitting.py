"""Contracts: who may do what, reviews, and impersonation."""

from __future__ import annotations

from twisted.internet import task

from .world import Api, ContractTestCase, Object, Reply

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHN = "/apis/authentication.k8s.io/v1"
AUTHZ = "/apis/authorization.k8s.io/v1"


class Permitting(ContractTestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        if not self.world.impersonates:
            self.skipTest("impersonation does not pass here")

    async def as_jane(self, method: str, path: str, body: object = None) -> Reply:
        return await self.api.call(method, path, body, Impersonate_User="jane")

    async def allow(self, verbs: list[str], resources: list[str], **more: list[str]) -> None:
        rules: list[Object] = [{"apiGroups": [""], "verbs": verbs, "resources": resources, **more}]
        path = f"{RBAC}/namespaces/{self.namespace}"
        role = await self.api.call("POST", f"{path}/roles", {"metadata": {"name": "r"}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
        subjects = [{"kind": "User", "name": "jane"}]
        body = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": subjects}
        binding = await self.api.call("POST", f"{path}/rolebindings", body)
        self.assertEqual((role.code, binding.code), (201, 201), binding.body)
        self.assertEqual(binding.json()["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io")

    async def test_refusals(self) -> None:
        here, space = self.here, self.namespace
        apps = f"/apis/apps/v1/namespaces/{space}/deployments"
        inside = f'in the namespace "{space}"'
        for method, path, subject, what in (
            ("GET", f"{here}/configmaps", "configmaps", f'list resource "configmaps" in API group "" {inside}'),
            ("GET", f"{here}/configmaps/a", 'configmaps "a"', f'get resource "configmaps" in API group "" {inside}'),
            ("GET", "/api/v1/nodes", "nodes", 'list resource "nodes" in API group "" at the cluster scope'),
            (
                "GET",
                f"{apps}/x/scale",
                'deployments.apps "x"',
                f'get resource "deployments/scale" in API group "apps" {inside}',
            ),
            ("GET", f"{here}/pods?watch=1", "pods", f'watch resource "pods" in API group "" {inside}'),
            (
                "DELETE",
                f"{here}/configmaps",
                "configmaps",
                f'deletecollection resource "configmaps" in API group "" {inside}',
            ),
            ("GET", f"{here}/pods/x/log", 'pods "x"', f'get resource "pods/log" in API group "" {inside}'),
            (
                "GET",
                f"/api/v1/namespaces/{space}",
                f'namespaces "{space}"',
                f'get resource "namespaces" in API group "" {inside}',
            ),
        ):
            reply = await self.as_jane(method, path)
            message = f'{subject} is forbidden: User "jane" cannot {what}'
            self.assertEqual((reply.code, reply.json()["message"]), (403, message))
            self.assertEqual(reply.json()["reason"], "Forbidden")

    async def test_refused_path(self) -> None:
        reply = await self.as_jane("GET", "/foo")
        self.assertStatus(reply, 403, "Forbidden", 'forbidden: User "jane" cannot get path "/foo"', {})

    async def test_discovery_is_open(self) -> None:
        for path in ("/version", "/api", "/apis", "/apis/apps/v1", "/openapi/v2", "/healthz"):
            self.assertEqual((await self.as_jane("GET", path)).code, 200, path)

    async def test_role(self) -> None:
        await self.allow(["get"], ["configmaps"], resourceNames=["a"])
        await self.make_config_map("a")
        self.assertEqual((await self.as_jane("GET", f"{self.here}/configmaps/a")).code, 200)
        self.assertEqual((await self.as_jane("GET", f"{self.here}/configmaps/b")).code, 403)
        self.assertEqual((await self.as_jane("GET", f"{self.here}/configmaps")).code, 403)

    async def test_list_of_one_name(self) -> None:
        """A field selector of one name makes a list, or a watch, one of that name."""
        await self.allow(["list", "watch"], ["configmaps"], resourceNames=["a"])
        path = f"{self.here}/configmaps?fieldSelector=metadata.name="
        self.assertEqual((await self.as_jane("GET", f"{path}a")).code, 200)
        self.assertEqual((await self.as_jane("GET", f"{path}a&watch=1&timeoutSeconds=1")).code, 200)
        self.assertEqual((await self.as_jane("GET", f"{path}b")).code, 403)

    async def test_access_review(self) -> None:
        await self.allow(["get"], ["pods", "pods/log"])
        for verb, subresource, allowed in (("get", "", True), ("get", "log", True), ("list", "", False)):
            what = {"namespace": self.namespace, "verb": verb, "resource": "pods", "subresource": subresource}
            body = {"spec": {"user": "jane", "resourceAttributes": what}}
            reply = await self.api.call("POST", f"{AUTHZ}/subjectaccessreviews", body)
            self.assertEqual(reply.code, 201)
            self.assertIs(reply.json()["status"]["allowed"], allowed)
            own = await self.as_jane(
                "POST", f"{AUTHZ}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": what}}
            )
            self.assertIs(own.json()["status"]["allowed"], allowed)

    async def test_who_am_i(self) -> None:
        path = f"{AUTHN}/selfsubjectreviews"
        reply = await self.api.call(
            "POST", path, {}, Impersonate_User="jane", Impersonate_Group="dev", Impersonate_Extra_Some="thing"
        )
        info = reply.json()["status"]["userInfo"]
        wanted = {"username": "jane", "groups": ["dev", "system:authenticated"], "extra": {"some": ["thing"]}}
        self.assertEqual((reply.code, info), (201, wanted))

    async def test_impersonation_needs_a_right(self) -> None:
        """Somebody who may not impersonate is told so."""
        issued = await self.service_account_token()
        headers = {"Authorization": f"Bearer {issued}", "Impersonate_User": "root"}
        stranger = self.make_api(self.world.tls_without_client)
        reply = await stranger.call("GET", "/version", **headers)
        await stranger.close()
        who = f"system:serviceaccount:{self.namespace}:robot"
        why = f'User "{who}" cannot impersonate-on:user-info:get path "/version"'
        self.assertStatus(reply, 403, "Forbidden", f"forbidden: {why}", {})

    async def test_constrained_impersonation(self) -> None:
        """Only certain users, and only for certain requests."""
        token = await self.service_account_token()
        path = f"{self.here}/configmaps"
        stranger = self.make_api(self.world.tls_without_client)
        headers = {"Authorization": f"Bearer {token}", "Impersonate_User": "jane"}
        await self.grant_robot("on", "", "configmaps", "impersonate-on:user-info:list")
        who = f'User "system:serviceaccount:{self.namespace}:robot"'
        where = 'in API group "authentication.k8s.io" at the cluster scope'
        refused = (
            f'users.authentication.k8s.io "jane" is forbidden: {who} cannot impersonate:user-info resource "users"'
        )
        await self.said(stranger, path, f"{refused} {where}", headers)
        await self.grant_robot("who", "authentication.k8s.io", "users", "impersonate:user-info")
        inside = f'in the namespace "{self.namespace}"'
        as_jane = 'configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group ""'
        await self.said(stranger, path, f"{as_jane} {inside}", headers)
        verb = "impersonate-on:user-info:get"
        refused = f'configmaps "a" is forbidden: {who} cannot {verb} resource "configmaps" in API group "" {inside}'
        await self.said(stranger, f"{path}/a", refused, headers)
        await stranger.close()

    async def said(self, api: Api, path: str, message: str, headers: dict[str, str]) -> None:
        """Sooner or later this is the answer: a real server's view of its rules lags behind a moment."""
        for _ in range(50):
            reply = await api.call("GET", path, **headers)
            if reply.json().get("message") == message:
                return
            await task.deferLater(self._reactor, 0.1)
        self.assertEqual(reply.json().get("message"), message)

    async def grant_robot(self, name: str, group: str, resource: str, verb: str) -> None:
        name = f"{self.namespace}-{name}"
        rules = [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]
        await self.api.call("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        subjects = [{"kind": "ServiceAccount", "name": "robot", "namespace": self.namespace}]
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
        self.assertEqual((await self.api.call("POST", f"{RBAC}/clusterrolebindings", body)).code, 201)

    async def service_account_token(self) -> str:
        await self.api.call("POST", f"{self.here}/serviceaccounts", {"metadata": {"name": "robot"}})
        body = {"spec": {"expirationSeconds": 600}}
        reply = await self.api.call("POST", f"{self.here}/serviceaccounts/robot/token", body)
        self.assertEqual(reply.code, 201, reply.body)
        token: str = reply.json()["status"]["token"]
        return token

    async def test_token_review(self) -> None:
        token = await self.service_account_token()
        reply = await self.api.call("POST", f"{AUTHN}/tokenreviews", {"spec": {"token": token}})
        status = reply.json()["status"]
        self.assertEqual((reply.code, status["authenticated"]), (201, True))
        self.assertEqual(status["user"]["username"], f"system:serviceaccount:{self.namespace}:robot")
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        self.assertEqual(status["user"]["groups"], groups)

    async def test_bad_token_review(self) -> None:
        reply = await self.api.call("POST", f"{AUTHN}/tokenreviews", {"spec": {"token": "nothing"}})
        status = reply.json()["status"]
        self.assertEqual((reply.code, status.get("authenticated", False)), (201, False))
        self.assertIn("error", status)
