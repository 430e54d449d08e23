"""Contracts: what may happen to hub, gateway and clusters while they are used, and what replicas agree on."""

from __future__ import annotations

import json
import re
import time
from functools import partial

from .hub import cluster_secret
from .hub_processes import NAMESPACE, PATH, Load, eventually
from .hub_suite import HubTestCase


class Health(HubTestCase):
    def test_written(self) -> None:
        self.new_cluster("patient")
        seen = self.world.get("clustergateway", "patient")
        sick = {**seen, "status": {"healthy": False, "healthyReason": "ConnectionTimeout"}}
        caller = self.world.caller()
        self.addCleanup(caller.close)
        path = f"{PATH}/clustergateways/patient/health"
        code, answer = caller.call("PUT", path, body=sick)
        self.assertEqual((code, answer["status"]), (200, sick["status"]))
        annotations = self.world.get("secret", "patient", "-n", NAMESPACE)["metadata"]["annotations"]
        self.assertEqual(annotations["status.cluster.core.oam.dev/healthy"], "false")
        eventually(lambda: self.world.get("clustergateway", "patient")["status"] == sick["status"], "it is shown")
        code, answer = caller.call("PUT", path, body=sick)
        self.assertEqual((code, answer["reason"]), (409, "Conflict"))

    def test_needs_the_right(self) -> None:
        caller = self.world.caller("nobody")
        self.addCleanup(caller.close)
        code, said = caller.call("PUT", f"{PATH}/clustergateways/east/health", body={})
        self.assertEqual(code, 403)
        self.assertIn('cannot update resource "clustergateways/health"', said["message"])


class Rotated(HubTestCase):
    def test_a_new_credential_under_load(self) -> None:
        """It counts within a second, fails no request and ends no stream."""
        self.new_cluster("turning")
        watch = self.world.follow("get", "configmaps", "-w", "--output-watch-events", cluster="turning")
        self.addCleanup(watch.stop)
        load = Load(self.world.caller(), f"{PATH}/clustergateways/turning/proxy/api/v1/namespaces")
        load.start()
        self.world.must("create", "serviceaccount", "turned", cluster="east")
        self.addCleanup(self.world.kubectl, "delete", "serviceaccount", "turned", cluster="east")
        token = self.world.must("create", "token", "turned", cluster="east").out.strip()
        self.world.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "turned"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "turned", "namespace": "default"}],
            },
            cluster="east",
        )
        data = {"endpoint": self.world.managed.url, "ca.crt": self.world.managed.ca.decode(), "token": token}
        self.world.must("delete", "secret", "unrelated", "-n", NAMESPACE, "--ignore-not-found")
        self.world.must("replace", "-f", "-", stdin=json.dumps(cluster_secret("turning", "ServiceAccountToken", data)))
        self.assertEqual(self.whoami("turning"), "system:serviceaccount:default:turned")
        self.assertEqual(set(load.stop()), {200})
        self.world.must("create", "configmap", "after", cluster="east")
        self.addCleanup(self.world.kubectl, "delete", "configmap", "after", cluster="east")
        watch.until("after")

    def whoami(self, cluster: str) -> str:
        out = self.world.must("auth", "whoami", "-o", "json", cluster=cluster).out
        return str(json.loads(out)["status"]["userInfo"]["username"])

    def test_a_wrong_one_is_named_and_a_right_one_heals(self) -> None:
        self.new_cluster("locked")
        path = f"{PATH}/clustergateways/locked/proxy/api/v1/namespaces"
        self.world.must("get", "--raw", path)
        data = {"endpoint": self.world.managed.url, "ca.crt": self.world.managed.ca.decode(), "token": "wrong"}
        self.world.must("replace", "-f", "-", stdin=json.dumps(cluster_secret("locked", "ServiceAccountToken", data)))
        eventually(lambda: self.world.kubectl("get", "--raw", path).code != 0, "the wrong one is in use", 2)
        self.assertIn("credential", self.refused("get", "--raw", path))
        self.world.add_cluster("locked")
        eventually(lambda: self.world.kubectl("get", "--raw", path).code == 0, "the right one is in use", 5)

    def test_a_deleted_one_stops_requests(self) -> None:
        self.new_cluster("leaving")
        path = f"{PATH}/clustergateways/leaving/proxy/healthz"
        self.world.must("get", "--raw", path)
        self.world.must("delete", "secret", "leaving", "-n", NAMESPACE)
        eventually(lambda: self.world.kubectl("get", "--raw", path).code != 0, "it is gone", 2)
        self.assertIn("NotFound", self.refused("get", "--raw", path))

    def test_the_gateways_own_token(self) -> None:
        """The file is read again when the hub refuses the token that was in it."""
        account = ("serviceaccount", "cluster-gateway", "-n", NAMESPACE)
        self.world.must("delete", *account)
        self.world.must("create", *account)
        caller = self.world.direct(self.world.gateway, self.world.who("newcomer"))
        self.addCleanup(caller.close)
        eventually(lambda: caller.call("GET", f"{PATH}/clustergateways")[0] == 503, "the old token is refused")
        self.world.write_token()
        eventually(lambda: caller.call("GET", f"{PATH}/clustergateways")[0] == 403, "the new one is used", 5)


class Restarted(HubTestCase):
    def test_the_hub(self) -> None:
        """The gateway serves from memory while the hub is away, says so, and catches up with what it missed."""
        gateway, pair = self.world.gateway, self.world.who("admin")
        direct = self.world.direct(gateway, pair)
        self.addCleanup(direct.close)
        watch = self.world.follow("get", "clustergateways", "-w", "--output-watch-events", gateway=gateway)
        self.addCleanup(watch.stop)
        watch.until("east")
        self.world.hub.go_away()
        try:
            self.assertEqual(direct.call("GET", f"{PATH}/clustergateways/east/proxy/healthz"), (200, "ok"))
            self.assertEqual(direct.call("GET", f"{PATH}/clustergateways")[0], 200)
            eventually(
                lambda: "secrets of the hub have not been heard of" in direct.call("GET", "/readyz?verbose")[1],
                "readyz tells",
            )
            self.assertEqual(direct.call("GET", "/readyz")[0], 200)
            code, said = self.world.direct(gateway, self.world.who("stranger")).call("GET", f"{PATH}/clustergateways")
            self.assertEqual((code, said["reason"]), (503, "ServiceUnavailable"))
            self.assertIn("The permission cannot be checked", said["message"])
        finally:
            self.world.hub.come_back()
        self.world.wait_until_available()
        self.new_cluster("news")
        watch.until("ADDED      news")
        eventually(lambda: "have not been heard" not in direct.call("GET", "/readyz?verbose")[1], "readyz tells")

    def test_the_hub_under_a_proxied_watch(self) -> None:
        """A watch through the hub ends with it, and can be begun anew; one past the hub goes on."""
        watch = self.world.follow(
            "get", "configmaps", "-w", "--output-watch-events", cluster="east", gateway=self.world.gateway
        )
        self.addCleanup(watch.stop)
        self.world.must("create", "configmap", "before", cluster="east")
        self.addCleanup(
            self.world.kubectl, "delete", "configmap", "before", "again", "--ignore-not-found", cluster="east"
        )
        watch.until("before")
        self.world.hub.go_away()
        self.world.hub.come_back()
        self.world.wait_until_available()
        self.world.must("create", "configmap", "again", cluster="east")
        watch.until("again")

    def test_the_gateway(self) -> None:
        load = Load(self.world.caller(), f"{PATH}/clustergateways/east/proxy/healthz")
        load.start()
        self.assertEqual(self.world.gateway.stop(), 0)
        self.world.gateway.start()
        self.world.wait_until_available()
        eventually(lambda: load.codes[-1:] == [200], "requests are served again")
        codes = load.stop()
        self.assertLessEqual(set(codes), {200, 502, 503}, "what the hub answers while it has no backend")

    def test_a_watch_goes_on_at_the_next_replica(self) -> None:
        """Versions mean the same to every replica, also to one that was not there."""
        version = self.world.get("clustergateways")["metadata"]["resourceVersion"]
        other = self.world.new_gateway("next")
        other.start(ready=True)
        self.addCleanup(other.stop)
        watch = self.world.direct(other, self.world.who("admin"))
        self.addCleanup(watch.close)
        self.new_cluster("fresh")
        _, text = watch.call("GET", f"{PATH}/clustergateways?watch=true&timeoutSeconds=1&resourceVersion={version}")
        events = [json.loads(line) for line in text.splitlines()] if isinstance(text, str) else [text]
        if events[0]["type"] == "ERROR":  # it began later than that, and says so
            self.assertEqual(events[0]["object"]["code"], 410)
        else:
            self.assertIn(
                ("ADDED", "fresh"), [(event["type"], event["object"]["metadata"]["name"]) for event in events]
            )


class Frozen(HubTestCase):
    """A hub that takes connections and says nothing."""

    def tell(self) -> str:
        caller = self.world.direct(self.world.gateway, self.world.who("admin"))
        self.addCleanup(caller.close)
        return str(caller.call("GET", "/readyz?verbose")[1])

    def silent(self, resource: str) -> int:
        """For how many seconds, as readyz tells."""
        found = re.search(f"{resource} of the hub have not been heard of for ([0-9]+) s", self.tell())
        return int(found[1]) if found is not None else 0

    def get(self, user: str) -> tuple[str, float]:
        """
        @return: what kubectl complains about, past the hub, and after how many seconds.
        """
        began = time.monotonic()
        said = self.refused("get", "clustergateways", user=user, gateway=self.world.gateway)
        return said, time.monotonic() - began

    def test_found_out(self) -> None:
        """One waits for it. Then all know, and nobody waits any more; when it goes on, so does everything."""
        self.get("nobody")
        self.world.hub.freeze()
        self.addCleanup(self.world.hub.thaw)
        self.assertNotIn("have not been heard", self.tell())
        said, seconds = self.get("unlucky")
        self.assertRegex(
            said, "The permission cannot be checked: The hub .*(not answer within 10 s|no connection in time)"
        )
        self.assertLess(seconds, 25, "kubectl does not try again by itself")
        # Somebody who asks when the pause is over is the one who finds out, and waits, too.
        complaints = [self.get("lucky")[0] for _ in range(2)]
        self.assertTrue(any("The hub did not answer lately" in each for each in complaints), complaints)
        for resource in ("secrets", "configmaps"):
            eventually(partial(self.silent, resource), f"{resource}: readyz tells")
            self.assertGreaterEqual(self.silent(resource), 10, "counted from when it was heard, not when it was missed")
        self.world.hub.thaw()
        self.world.wait_until_available()
        eventually(lambda: "have not been heard" not in self.tell(), "readyz tells")
        self.assertIn('User "lucky" cannot list', self.get("lucky")[0])


class Replicated(HubTestCase):
    def test_same_answers(self) -> None:
        other = self.world.new_gateway("second")
        other.start(ready=True)
        self.addCleanup(other.stop)
        callers = [self.world.direct(each, self.world.who("admin")) for each in (self.world.gateway, other)]
        for caller in callers:
            self.addCleanup(caller.close)
        self.new_cluster("both")
        self.world.must("label", "secret", "both", "-n", NAMESPACE, "a=b")
        for resource in ("clustergateways", "virtualclusters"):
            path = f"{PATH}/{resource}"

            def same(path: str = path) -> bool:
                first, second = (caller.call("GET", path) for caller in callers)
                return first == second and '"a": "b"' in json.dumps(first[1])

            eventually(same, f"both answer the same for {resource}", 5)
        for path in (f"{PATH}/clustergateways/both", f"{PATH}/virtualclusters/local", PATH, "/openapi/v2"):
            self.assertEqual(callers[0].call("GET", path), callers[1].call("GET", path), path)

    def test_without_cache(self) -> None:
        gateway = self.world.new_gateway("uncached", "--feature-gates=SecretCache=false")
        gateway.start(ready=True)
        self.addCleanup(gateway.stop)
        caller = self.world.direct(gateway, self.world.who("admin"))
        self.addCleanup(caller.close)
        path = f"{PATH}/clustergateways/%s/proxy/healthz"
        self.assertEqual(caller.call("GET", path % "east"), (200, "ok"))
        self.assertEqual(caller.call("GET", path % "nowhere")[0], 404)
        self.world.add_cluster("instant")
        self.addCleanup(self.remove_cluster, "instant")
        self.assertEqual(caller.call("GET", path % "instant"), (200, "ok"))
        self.world.must("delete", "secret", "instant", "-n", NAMESPACE)
        self.assertEqual(caller.call("GET", path % "instant")[0], 404)

    def test_with_less_rights_and_without_cache(self) -> None:
        """Get alone is enough to route; what is listed says why it cannot be."""
        self.world.must("patch", "role", "cluster-gateway", "-n", NAMESPACE, "--type=json", "-p", _GET_ONLY)
        self.addCleanup(self.world.must, "apply", "-f", str(self.world.rbac), "--server-side", "--force-conflicts")
        gateway = self.world.new_gateway("humble", "--feature-gates=SecretCache=false")
        gateway.start(ready=True)
        self.addCleanup(gateway.stop)
        caller = self.world.direct(gateway, self.world.who("admin"))
        self.addCleanup(caller.close)
        self.assertEqual(caller.call("GET", f"{PATH}/clustergateways/east/proxy/healthz"), (200, "ok"))
        code, said = caller.call("GET", f"{PATH}/clustergateways")
        self.assertEqual((code, said["reason"]), (503, "ServiceUnavailable"))


_GET_ONLY = json.dumps([{"op": "replace", "path": "/rules/0/verbs", "value": ["get"]}])
