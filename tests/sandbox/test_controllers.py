from __future__ import annotations

from clustergateway.sandbox.objects import Object
from clustergateway.sandbox.server import SandboxConfig
from clustergateway.sandbox.workloads import JOB_SECONDS, START_SECONDS, STOP_SECONDS

from .serving import HERE, ServerTestCase

APPS = "/apis/apps/v1/namespaces/default"
MERGE = {"Content_Type": "application/merge-patch+json"}


class ControllersTestCase(ServerTestCase):
    config = SandboxConfig(name="t")

    def settle(self, seconds: float = 0) -> None:
        """Let the controllers do all that there is to do."""
        self.clock.pump([0.0] * 20 + [seconds] + [0.0] * 20)

    def names(self, path: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.get(path)["items"]]

    def deployment(self, replicas: int = 2, image: str = "x:1") -> Object:
        container = {"name": "c", "image": image}
        template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "d"}}, "template": template}
        return {"metadata": {"name": "d"}, "spec": spec}


class DeploymentTests(ControllersTestCase):
    def test_rolls_out(self) -> None:
        self.make(f"{APPS}/deployments", self.deployment())
        self.settle()
        status = self.get(f"{APPS}/deployments/d")["status"]
        self.assertEqual((status["replicas"], status.get("availableReplicas")), (2, None))
        self.settle(START_SECONDS)
        status = self.get(f"{APPS}/deployments/d")["status"]
        counts = [status[key] for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
        self.assertEqual((counts, status["observedGeneration"]), ([2] * 4, 1))
        states = {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
        self.assertEqual(states["Available"], ("True", "MinimumReplicasAvailable"))
        self.assertEqual(states["Progressing"], ("True", "NewReplicaSetAvailable"))

    def test_pods_run(self) -> None:
        self.make(f"{APPS}/deployments", self.deployment(1))
        self.settle()
        self.settle(START_SECONDS)
        (pod,) = self.get(f"{HERE}/pods")["items"]
        self.assertEqual((pod["spec"]["nodeName"], pod["status"]["phase"]), ("t-node", "Running"))
        self.assertIn({"type": "Ready", "status": "True"}.items(), [
            {key: one[key] for key in ("type", "status")}.items() for one in pod["status"]["conditions"]
        ])  # fmt: skip
        self.assertEqual(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet")

    def test_update_and_back(self) -> None:
        """A new template gets a new ReplicaSet; going back takes the old one, with a new revision."""
        self.make(f"{APPS}/deployments", self.deployment())
        self.run_out()
        before = self.deployment()["spec"]["template"]["spec"]
        changed = {"containers": [{**before["containers"][0], "image": "x:2"}]}
        self.call("PATCH", f"{APPS}/deployments/d", {"spec": {"template": {"spec": changed}}}, **MERGE)
        self.run_out()
        self.assertEqual(sorted(self.replicas().values()), [0, 2])
        self.call("PATCH", f"{APPS}/deployments/d", {"spec": {"template": {"spec": before}}}, **MERGE)
        self.run_out()
        self.assertEqual(sorted(self.replicas().values()), [0, 2])
        annotations = self.get(f"{APPS}/deployments/d")["metadata"]["annotations"]
        self.assertEqual(annotations, {"deployment.kubernetes.io/revision": "3"})

    def run_out(self) -> None:
        self.settle()
        self.settle(START_SECONDS)
        self.settle(STOP_SECONDS)

    def replicas(self) -> dict[str, int]:
        return {one["metadata"]["name"]: one["spec"]["replicas"] for one in self.get(f"{APPS}/replicasets")["items"]}

    def test_scale(self) -> None:
        self.make(f"{APPS}/deployments", self.deployment(3))
        self.run_out()
        self.call("PATCH", f"{APPS}/deployments/d/scale", {"spec": {"replicas": 1}}, **MERGE)
        self.run_out()
        self.assertEqual(len(self.names(f"{HERE}/pods")), 1)

    def test_deleted_pod_is_replaced(self) -> None:
        self.make(f"{APPS}/deployments", self.deployment(1))
        self.run_out()
        (before,) = self.names(f"{HERE}/pods")
        self.call("DELETE", f"{HERE}/pods/{before}")
        self.run_out()
        (after,) = self.names(f"{HERE}/pods")
        self.assertNotEqual(before, after)


class CollectionTests(ControllersTestCase):
    def owned(self, name: str, owner: Object) -> None:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        self.make(f"{HERE}/configmaps", {"metadata": {"name": name, "ownerReferences": [reference]}})

    def setUp(self) -> None:
        super().setUp()
        self.settle()
        self.owner = self.make(f"{HERE}/configmaps", {"metadata": {"name": "owner"}})
        self.owned("child", self.owner)
        self.settle()

    def test_background(self) -> None:
        self.call("DELETE", f"{HERE}/configmaps/owner")
        self.assertEqual(self.names(f"{HERE}/configmaps"), ["child"])
        self.settle()
        self.assertEqual(self.names(f"{HERE}/configmaps"), [])

    def test_foreground(self) -> None:
        self.call("DELETE", f"{HERE}/configmaps/owner?propagationPolicy=Foreground")
        self.assertEqual(self.names(f"{HERE}/configmaps"), ["child", "owner"])
        self.settle()
        self.assertEqual(self.names(f"{HERE}/configmaps"), [])

    def test_orphan(self) -> None:
        self.call("DELETE", f"{HERE}/configmaps/owner", {"propagationPolicy": "Orphan"})
        self.settle()
        self.assertEqual(self.names(f"{HERE}/configmaps"), ["child"])
        self.assertNotIn("ownerReferences", self.get(f"{HERE}/configmaps/child")["metadata"])

    def test_never_had_an_owner(self) -> None:
        """A reference to another uid of that name holds nothing."""
        self.owned("stray", {"metadata": {"uid": "other"}})
        self.settle()
        self.assertEqual(self.names(f"{HERE}/configmaps"), ["child", "owner"])


class NamespaceTests(ControllersTestCase):
    def test_service_account(self) -> None:
        self.settle()
        self.assertEqual(self.names(f"{HERE}/serviceaccounts"), ["default"])

    def test_deletion(self) -> None:
        """A namespace goes when all that is in it has gone, pods in their time."""
        self.make("/api/v1/namespaces", {"metadata": {"name": "n"}})
        self.make("/api/v1/namespaces/n/configmaps", {"metadata": {"name": "a"}})
        spec = {"containers": [{"name": "c", "image": "x"}]}
        self.make("/api/v1/namespaces/n/pods", {"metadata": {"name": "p"}, "spec": spec})
        self.settle()
        self.settle(START_SECONDS)
        self.call("DELETE", "/api/v1/namespaces/n")
        self.settle()
        self.assertEqual(self.get("/api/v1/namespaces/n")["status"]["phase"], "Terminating")
        self.assertEqual(self.names("/api/v1/namespaces/n/configmaps"), [])
        self.settle(STOP_SECONDS)
        self.assertEqual(self.call("GET", "/api/v1/namespaces/n")[0], 404)


class JobTests(ControllersTestCase):
    def test_completes(self) -> None:
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}
        path = "/apis/batch/v1/namespaces/default/jobs"
        self.make(path, {"metadata": {"name": "j"}, "spec": {"template": template}})
        self.settle()
        self.settle(START_SECONDS)
        self.assertEqual(self.get(f"{path}/j")["status"]["active"], 1)
        self.settle(JOB_SECONDS)
        status = self.get(f"{path}/j")["status"]
        self.assertEqual((status["succeeded"], status["conditions"][0]["type"]), (1, "Complete"))
        (pod,) = self.get(f"{HERE}/pods")["items"]
        self.assertEqual(pod["status"]["phase"], "Succeeded")

    def test_stop(self) -> None:
        """A stopped server leaves nothing to happen later."""
        self.make(f"{APPS}/deployments", self.deployment())
        self.settle()
        self.successResultOf(self.server.stop())
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.active()], [])
