from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.kinds import Kind, Kinds
from clustergateway.sandbox.objects import Object, timestamp
from clustergateway.sandbox.tables import age, json_path, table


class AgeTests(SynchronousTestCase):
    def test_ages(self) -> None:
        minute, hour, day = 60, 3600, 86400
        for seconds, wanted in (
            (0, "0s"),
            (119, "119s"),
            (2 * minute, "2m"),
            (2 * minute + 5, "2m5s"),
            (10 * minute + 5, "10m"),
            (3 * hour, "3h"),
            (3 * hour + 20 * minute, "3h20m"),
            (9 * hour, "9h"),
            (2 * day, "2d"),
            (2 * day + 5 * hour, "2d5h"),
            (30 * day, "30d"),
            (800 * day, "2y70d"),
            (3000 * day, "8y"),
            (-5, "0s"),
        ):
            self.assertEqual(age(timestamp(0), seconds), wanted)
        self.assertEqual(age(None, 0), "<unknown>")


class TableTests(SynchronousTestCase):
    def row(self, group: str, resource: str, obj: Object) -> list[object]:
        kind = Kinds().stored(group, resource)
        assert kind is not None
        shown = table(kind, [{"metadata": {"name": "x", "creationTimestamp": timestamp(0)}, **obj}], {}, "None", 60)
        self.assertEqual(len(shown["columnDefinitions"]), len(shown["rows"][0]["cells"]))
        cells: list[object] = shown["rows"][0]["cells"]
        return cells

    def test_pod(self) -> None:
        status = {"name": "c", "ready": True, "restartCount": 2, "state": {"running": {}}}
        waiting = {"name": "d", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
        pod: Object = {"spec": {"containers": [{}, {}], "nodeName": "n"}}
        pod["status"] = {"phase": "Pending", "podIP": "10.0.0.1", "containerStatuses": [status, waiting]}
        wanted = ["x", "1/2", "ImagePullBackOff", "2", "60s", "10.0.0.1", "n", "<none>", "<none>"]
        self.assertEqual(self.row("", "pods", pod), wanted)

    def test_node(self) -> None:
        node: Object = {
            "spec": {"unschedulable": True},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        node["metadata"] = {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}}
        self.assertEqual(self.row("", "nodes", node)[:3], ["n", "Ready,SchedulingDisabled", "worker"])

    def test_others(self) -> None:
        """Each row has a cell for each column, whatever the object lacks."""
        spec = {"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
        for group, resource, obj, wanted in (
            ("apps", "deployments", {"spec": spec}, ["x", "0/1"]),
            ("apps", "replicasets", {"spec": spec}, ["x", 1]),
            ("batch", "jobs", {"spec": {**spec, "completions": 1}}, ["x", "Running"]),
            ("", "services", {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}, ["x", "ClusterIP"]),
            ("", "endpoints", {"subsets": [{"addresses": [{"ip": "1"}], "ports": [{"port": 2}]}]}, ["x", "1:2"]),
            ("", "events", {"involvedObject": {"kind": "Pod", "name": "p"}, "type": "Normal"}, ["60s", "Normal"]),
            ("", "secrets", {"type": "Opaque", "data": {"k": ""}}, ["x", "Opaque", 1]),
            ("coordination.k8s.io", "leases", {"spec": {"holderIdentity": "me"}}, ["x", "me"]),
            ("apiregistration.k8s.io", "apiservices", {"spec": {}}, ["x", "Local", "Unknown"]),
        ):
            self.assertEqual(self.row(group, resource, obj)[: len(wanted)], wanted)

    def test_binding(self) -> None:
        subjects = [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]
        obj = {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}
        wanted = ["x", "ClusterRole/r", "60s", "u", "", "n/s"]
        self.assertEqual(self.row("rbac.authorization.k8s.io", "clusterrolebindings", obj), wanted)

    def test_custom(self) -> None:
        columns: tuple[Object, ...] = (
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        )
        kind = Kind("g", "v1", "things", "Thing", custom=True, columns=columns)
        obj = {"metadata": {"name": "x", "creationTimestamp": timestamp(0)}, "spec": {"size": 3}}
        self.assertEqual(table(kind, [obj], {}, "Object", 60)["rows"], [{"cells": ["x", 3, "60s"], "object": obj}])

    def test_paths(self) -> None:
        obj = {"a": {"b.c": [{"type": "T", "status": "yes"}]}}
        for path, wanted in (
            (".a['b.c'][0].status", "yes"),
            (r".a.b\.c[0].type", "T"),
            ('.a.b\\.c[?(@.type=="T")].status', "yes"),
            ('.a.b\\.c[?(@.type=="U")].status', None),
            (".a.x.y", None),
            (".a.b\\.c[4]", None),
        ):
            self.assertEqual(json_path(obj, path), wanted, path)
