"""Contracts: everything that users of a hub do with the clusters behind it, and what may happen to them meanwhile."""

from __future__ import annotations

import base64
import json
import re
import ssl
from functools import partial
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from .hub import HubWorld, cluster_secret, rule
from .hub_processes import GROUP, NAMESPACE, PATH, ROOT, eventually

_CREDENTIALS = ("PRIVATE KEY", "privateKey", "tls.key")

_SAMPLES = sorted((ROOT / "k8s" / "samples").glob("cluster-*.yaml"))


class HubTestCase(SynchronousTestCase):
    """Base of the suite. The world is shared; what a test makes in it, it takes away."""

    world: HubWorld

    def make_world(self) -> HubWorld:
        raise NotImplementedError

    def setUp(self) -> None:
        self.world = self.make_world()

    def new_cluster(self, name: str, **changed: str) -> None:
        """A cluster for the time of this test; returns when the gateway has it."""
        self.world.add_cluster(name, **changed)
        self.addCleanup(self.remove_cluster, name)
        eventually(lambda: self.seen(name), f"{name} is seen")

    def seen(self, name: str) -> bool:
        return self.world.kubectl("get", "clustergateway", name).code == 0

    def remove_cluster(self, name: str) -> None:
        self.world.must("delete", "secret", name, "-n", NAMESPACE, "--ignore-not-found")
        eventually(lambda: not self.seen(name), f"{name} is gone")

    def refused(self, *arguments: str, **options: Any) -> str:
        """
        @return: what kubectl complains about.
        """
        done = self.world.kubectl(*arguments, **options)
        self.assertNotEqual(done.code, 0, done.out)
        return done.err


class Installed(HubTestCase):
    """The manifests, as far as a hub without nodes can tell."""

    def test_base(self) -> None:
        out = self.world.must("apply", "-k", str(ROOT / "k8s" / "base"), "--dry-run=server", "-o", "json").out
        made = {(item["kind"], item["metadata"].get("namespace", "")): item for item in json.loads(out)["items"]}
        self.assertEqual(
            sorted(made),
            [
                ("ClusterRole", ""),
                ("ClusterRoleBinding", ""),
                ("Deployment", NAMESPACE),
                ("Namespace", ""),
                ("Role", NAMESPACE),
                ("RoleBinding", "kube-system"),
                ("RoleBinding", NAMESPACE),
                ("Service", NAMESPACE),
                ("ServiceAccount", NAMESPACE),
            ],
        )

    def test_samples(self) -> None:
        for manifest in (*_SAMPLES, ROOT / "k8s" / "samples" / "rbac.yaml"):
            self.world.must("apply", "-f", str(manifest), "--dry-run=server")

    def test_samples_are_what_they_show(self) -> None:
        """What is left to replace is all that is wrong with them."""
        for manifest in _SAMPLES:
            secret = yaml.safe_load(manifest.read_text())
            secret["metadata"]["name"] = name = f"sample-{secret['metadata']['name']}"
            self.addCleanup(self.remove_cluster, name)
            self.world.apply(secret)
            eventually(partial(self.seen, name), f"{name} is seen")
            why = self.world.get("clustergateway", name)["status"].get("unroutable", "no PEM")
            self.assertIn("PEM", why, manifest)


class Discovered(HubTestCase):
    def test_resources(self) -> None:
        out = self.world.must("api-resources", f"--api-group={GROUP}", "-o", "name").out
        self.assertEqual(sorted(out.split()), [f"clustergateways.{GROUP}", f"virtualclusters.{GROUP}"])

    def test_explained(self) -> None:
        eventually(
            lambda: "proxy-url" in self.world.kubectl("explain", "clustergateway.spec.access.endpoint.const").out,
            "kubectl explain knows ClusterGateways",
        )

    def test_openapi_v2_is_merged(self) -> None:
        def merged() -> bool:
            document = json.loads(self.world.must("get", "--raw", "/openapi/v2").out)
            return f"{PATH}/clustergateways/{{name}}" in document["paths"]

        eventually(merged, "the hub's document has this group")

    def test_openapi_v3_is_listed(self) -> None:
        eventually(
            lambda: PATH[1:] in json.loads(self.world.must("get", "--raw", "/openapi/v3").out)["paths"],
            "the hub's index has this group",
        )

    def test_available_whatever_the_clusters_do(self) -> None:
        self.new_cluster("dead", endpoint="https://127.0.0.1:1")
        self.world.managed.go_away()
        self.addCleanup(self.world.managed.come_back)
        self.assertTrue(self.world.available())
        self.assertIn("dead", self.world.must("get", "clustergateways").out)
        self.world.must("api-resources", f"--api-group={GROUP}")
        for name in ("dead", "east"):
            said = self.refused("get", "--raw", f"{PATH}/clustergateways/{name}/proxy/healthz")
            self.assertIn(f'cluster "{name}"', said)


class Listed(HubTestCase):
    def test_table(self) -> None:
        head, *rows = self.world.must("get", "clustergateways").out.splitlines()
        self.assertEqual(head.split(), ["NAME", "PROVIDER", "CREDENTIAL-TYPE", "ENDPOINT-TYPE", "HEALTHY"])
        self.assertEqual(rows[0].split()[:3], ["east", "X509Certificate", "Const"])

    def test_no_credential_is_shown(self) -> None:
        out = self.world.must("get", "clustergateway", "east", "-o", "yaml").out
        for secret in _CREDENTIALS:
            self.assertNotIn(secret, out)
        access = yaml.safe_load(out)["spec"]["access"]
        self.assertEqual(access["endpoint"]["const"]["address"], self.world.managed.url)

    def test_virtual_clusters(self) -> None:
        found = self.world.get("vc")["items"]
        self.assertEqual([item["metadata"]["name"] for item in found], ["local", "east"])
        self.assertEqual(found[0]["spec"]["credential-type"], "Internal")

    def test_a_cluster_called_local(self) -> None:
        """It is a cluster as any other, and virtual cluster local stays what it is, before and after."""
        before = self.world.get("vc", "local")
        self.new_cluster("local")
        self.assertEqual(self.world.must("get", "--raw", f"{PATH}/clustergateways/local/proxy/healthz").out, "ok")
        self.assertEqual(self.world.get("vc", "local"), before)
        caller = self.world.direct(self.world.gateway, self.world.who("admin"))
        self.addCleanup(caller.close)
        self.assertIn("   virtualcluster local: ", caller.call("GET", "/readyz?verbose")[1])
        self.remove_cluster("local")
        self.assertEqual(self.world.get("vc", "local"), before)

    def test_unknown(self) -> None:
        said = self.refused("get", "clustergateway", "nowhere")
        self.assertEqual(said, f'Error from server (NotFound): clustergateways.{GROUP} "nowhere" not found\n')

    def test_watched(self) -> None:
        watch = self.world.follow(
            *("get", "clustergateways", "--watch", "--output-watch-events"),
            *("-o", "custom-columns=IS:.type,NAME:.object.metadata.name,TIER:.object.metadata.labels.tier"),
        )
        self.addCleanup(watch.stop)
        watch.until("east")
        self.new_cluster("seen")
        watch.until("seen")
        self.world.must("label", "secret", "seen", "-n", NAMESPACE, "tier=gold")
        watch.until("gold")
        self.remove_cluster("seen")
        watch.until("DELETED")
        events = [tuple(line.split()) for line in watch.output.splitlines() if "seen" in line]
        wanted = [("ADDED", "<none>"), ("MODIFIED", "gold"), ("DELETED", "gold")]
        self.assertEqual(events, [(kind, "seen", tier) for kind, tier in wanted])

    def test_versions_are_the_secrets(self) -> None:
        secret = self.world.get("secret", "east", "-n", NAMESPACE)["metadata"]
        found = self.world.get("clustergateway", "east")["metadata"]
        for key in ("uid", "creationTimestamp", "resourceVersion"):
            self.assertEqual(found[key], secret[key])

    def test_a_secret_that_cannot_be_used_is_shown_with_the_reason(self) -> None:
        self.world.apply(cluster_secret("broken", "X509Certificate", {"endpoint": "https://127.0.0.1:1"}))
        self.addCleanup(self.remove_cluster, "broken")
        eventually(lambda: self.seen("broken"), "it is seen")
        self.assertIn("broken", self.refused("get", "--raw", f"{PATH}/clustergateways/broken/proxy/healthz"))


class Used(HubTestCase):
    def test_raw(self) -> None:
        self.assertEqual(self.world.must("get", "--raw", f"{PATH}/clustergateways/east/proxy/healthz").out, "ok")

    def test_create_read_update_delete(self) -> None:
        def east(*arguments: str, stdin: str = "") -> str:
            return self.world.must(*arguments, stdin=stdin, cluster="east").out

        east("create", "configmap", "mine", "--from-literal=a=1")
        self.assertEqual(east("get", "configmap", "mine", "-o", "jsonpath={.data.a}"), "1")
        east("patch", "configmap", "mine", "-p", '{"data":{"a":"2"}}')
        content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"b": "3"}}
        east("apply", "--server-side", "-f", "-", stdin=json.dumps(content))
        self.assertEqual(self.world.get("configmap", "mine", cluster="east")["data"], {"a": "2", "b": "3"})
        east("replace", "-f", "-", stdin=json.dumps(content))
        self.assertEqual(self.world.get("configmap", "mine", cluster="east")["data"], {"b": "3"})
        east("delete", "configmap", "mine")
        self.assertIn('configmaps "mine" not found', self.refused("get", "configmap", "mine", cluster="east"))

    def test_it_is_the_other_cluster(self) -> None:
        self.world.must("create", "namespace", "only-there", cluster="east")
        self.addCleanup(self.world.kubectl, "delete", "namespace", "only-there", "--wait=false", cluster="east")
        self.world.must("get", "namespace", "only-there", cluster="east")
        self.assertIn("NotFound", self.refused("get", "namespace", "only-there"))

    def test_dry_run(self) -> None:
        out = self.world.must("create", "namespace", "never", "--dry-run=server", "-o", "name", cluster="east").out
        self.assertEqual(out, "namespace/never\n")
        self.assertIn("NotFound", self.refused("get", "namespace", "never", cluster="east"))

    def test_watch(self) -> None:
        self.world.must("create", "configmap", "first", cluster="east")
        self.addCleanup(self.world.must, "delete", "configmap", "first", cluster="east")
        watch = self.world.follow("get", "configmaps", "-w", "--output-watch-events", cluster="east")
        self.addCleanup(watch.stop)
        watch.until("first")
        self.world.must("create", "configmap", "watched", cluster="east")
        watch.until("ADDED      watched")
        self.world.must("delete", "configmap", "watched", cluster="east")
        watch.until("DELETED    watched")

    def test_a_refused_upgrade_comes_back_unchanged(self) -> None:
        said = self.refused("exec", "nobody", "--", "true", cluster="east")
        self.assertIn('pods "nobody" not found', said)

    def test_metrics(self) -> None:
        """All that dashboards of the original gateway ask for."""
        caller = self.world.direct(self.world.gateway, self.world.who("admin"))
        self.addCleanup(caller.close)
        self.world.must("get", "ns", cluster="east")
        self.assertIn("Forbidden", self.refused("get", "vc", user="nobody", gateway=self.world.gateway))
        code, text = caller.call("GET", "/metrics")
        self.assertEqual(code, 200)
        for name, *labels in (
            ("proxied_resource_requests_by_resource_total", "resource", "verb", "code"),
            ("proxied_requests_by_cluster_total", "cluster", "code"),
            ("proxied_request_duration_seconds_count", "resource", "verb", "cluster", "code"),
            ("cluster_escalation_access_review_duration_seconds_count", "success"),
        ):
            found = re.search(rf"^ocm_proxy_{name}\{{(.*)\}} [0-9.]+$", text, re.MULTILINE)
            assert found is not None, name
            self.assertEqual(sorted(re.findall(r'(\w+)="', found[1])), sorted(labels))

    def test_unknown_cluster(self) -> None:
        self.assertIn('"nowhere" not found', self.refused("get", "--raw", "/version", cluster="nowhere"))


class Allowed(HubTestCase):
    def test_nobody_without_rights(self) -> None:
        at = f'API group "{GROUP}" at the cluster scope'
        for arguments, resource in (
            (("get", "clustergateways"), "clustergateways"),
            (("get", "virtualclusters"), "virtualclusters"),
        ):
            self.assertEqual(
                self.refused(*arguments, user="nobody"),
                f'Error from server (Forbidden): {resource}.{GROUP} is forbidden: User "nobody" cannot list '
                f'resource "{resource}" in {at}\n',
            )
        self.assertEqual(
            self.refused("get", "--raw", f"{PATH}/clustergateways/east/proxy/healthz", user="nobody"),
            f'Error from server (Forbidden): clustergateways.{GROUP} "east" is forbidden: User "nobody" cannot get '
            f'resource "clustergateways/proxy" in {at}\n',
        )

    def test_discovery_for_everybody(self) -> None:
        self.world.must("get", "--raw", PATH, user="nobody")

    def test_reading_is_not_writing(self) -> None:
        self.world.allow("reader", rule("clustergateways/proxy", "get", names=("east",)))
        self.world.must("get", "ns", user="reader", cluster="east")
        said = self.refused("create", "configmap", "x", user="reader", cluster="east")
        self.assertIn('User "reader" cannot create resource "clustergateways/proxy"', said)
        self.assertIn("Forbidden", self.refused("get", "ns", user="reader", cluster="west"))

    def test_impersonated(self) -> None:
        self.world.allow("guest", rule("clustergateways/proxy", "get"))
        path = f"{PATH}/clustergateways/east/proxy/healthz"
        self.assertEqual(self.world.must("get", "--raw", path, "--as", "guest").out, "ok")
        said = self.refused("get", "--raw", path, "--as", "somebody")
        self.assertIn('User "somebody" cannot get resource "clustergateways/proxy"', said)
        self.assertIn("Forbidden", self.refused("get", "clustergateways", "--as", "guest"))

    def test_given_and_taken(self) -> None:
        self.world.allow("temp", rule("clustergateways", "list"))
        eventually(lambda: self.world.kubectl("get", "clustergateways", user="temp").code == 0, "it is given")
        self.world.allow("temp")
        eventually(lambda: self.world.kubectl("get", "clustergateways", user="temp").code != 0, "it is taken", 20)

    def test_inner_paths(self) -> None:
        gateway = self.world.new_gateway("subpath", "--authorize-proxy-subpath")
        gateway.start(ready=True)
        self.addCleanup(gateway.stop)
        secrets = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
        self.world.allow("inner", rule("clustergateways/proxy", "get", "create"), secrets)
        caller = self.world.direct(gateway, self.world.who("inner"))
        self.addCleanup(caller.close)
        base = f"{PATH}/clustergateways/east/proxy"
        self.assertEqual(caller.call("GET", f"{base}/api/v1/namespaces/default/configmaps")[0], 200)
        code, said = caller.call("GET", f"{base}/api/v1/namespaces/default/configmaps/x")
        wanted = 'configmaps "x" is forbidden: User "inner" cannot get resource "configmaps" in API group ""'
        self.assertEqual((code, said["message"]), (403, f'cluster "east": {wanted} in the namespace "default"'))
        code, said = caller.call("GET", f"{base}/api/v1/namespaces/default/secrets?watch=true")
        self.assertEqual(code, 403)
        self.assertIn('User "inner" cannot watch resource "secrets" in API group ""', said["message"])


class Known(HubTestCase):
    """Past the hub: whom the gateway itself knows."""

    def ask(self, pair: Any = None, **headers: str) -> tuple[int, Any]:
        caller = self.world.direct(self.world.gateway, pair)
        self.addCleanup(caller.close)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return caller.call("GET", f"{PATH}/clustergateways", sent)

    def test_certificate(self) -> None:
        self.assertEqual(self.ask(self.world.who("admin"))[0], 200)
        code, said = self.ask(self.world.who("nobody"))
        self.assertEqual(code, 403)
        self.assertIn('User "nobody" cannot list', said["message"])

    def test_token(self) -> None:
        self.world.allow_account("robot", rule("clustergateways", "list"))
        token = self.world.must("create", "token", "robot", "-n", NAMESPACE).out.strip()
        self.assertEqual(self.ask(Authorization=f"Bearer {token}")[0], 200)
        self.assertEqual(self.ask(Authorization=f"Bearer {token[:-4]}AAAA")[0], 401)

    def test_token_of_a_browser(self) -> None:
        """A WebSocket client that can send no header of its own names its token as a subprotocol."""
        self.world.allow_account("browser", rule("clustergateways/proxy", "get"))
        token = self.world.must("create", "token", "browser", "-n", NAMESPACE).out.strip()
        encoded = base64.urlsafe_b64encode(token.encode()).decode("ascii").rstrip("=")
        asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        asked["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        path = f"{PATH}/clustergateways/east/proxy/api/v1/namespaces/default/pods/nobody/exec?command=true"
        for shown, code in ((encoded, 404), ("bm9uc2Vuc2U", 401)):
            caller = self.world.direct(self.world.gateway, None)
            self.addCleanup(caller.close)
            offered = f"base64url.bearer.authorization.k8s.io.{shown}, v5.channel.k8s.io"
            self.assertEqual(caller.call("GET", path, {**asked, "Sec-WebSocket-Protocol": offered})[0], code)

    def test_front_proxy(self) -> None:
        self.assertEqual(
            self.ask(self.world.hub.front_proxy, X_Remote_User="a", X_Remote_Group="system:masters")[0], 200
        )
        code, said = self.ask(self.world.hub.front_proxy, X_Remote_User="mallory")
        self.assertEqual(code, 403)
        self.assertIn('User "mallory" cannot list', said["message"])

    def test_nobody_else_is_believed(self) -> None:
        claimed = {"X_Remote_User": "admin", "X_Remote_Group": "system:masters"}
        self.assertEqual(self.ask(**claimed)[0], 401)
        code, said = self.ask(self.world.who("nobody"), **claimed)
        self.assertEqual(code, 403)
        self.assertIn('User "nobody" cannot list', said["message"])

    def test_a_certificate_of_another_cluster(self) -> None:
        stranger = self.world.pair(self.world.managed, "admin", "system:masters")
        self.assertRaises((ssl.SSLError, ConnectionError), self.ask, stranger)

    def test_anonymous_sees_health_only(self) -> None:
        self.assertEqual(self.ask()[0], 401)
        caller = self.world.direct(self.world.gateway, None)
        self.addCleanup(caller.close)
        for path in ("/healthz", "/livez", "/readyz"):
            self.assertEqual(caller.call("GET", path), (200, "ok"))
