"""Contracts: create, get, update, delete, and how each is refused."""

from __future__ import annotations

from .world import ContractTestCase

_SUBDOMAIN = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_BAD_NAME = (
    'Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '
    "'-' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)


class Creating(ContractTestCase):
    async def test_created_object(self) -> None:
        """What is created comes back with identity and version, in the order of fields that clients know."""
        made = await self.make_config_map("a", {"x": "1"}, k="v")
        self.assertEqual(list(made), ["kind", "apiVersion", "metadata", "data"])
        self.assertEqual((made["kind"], made["apiVersion"], made["data"]), ("ConfigMap", "v1", {"k": "v"}))
        meta = made["metadata"]
        self.assertEqual((meta["name"], meta["namespace"], meta["labels"]), ("a", self.namespace, {"x": "1"}))
        self.assertRegex(meta["uid"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertRegex(meta["creationTimestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertTrue(meta["resourceVersion"].isdigit())
        self.assertNotIn("generation", meta)

    async def test_empty_is_left_out(self) -> None:
        meta = {"name": "a", "labels": {}, "annotations": {}, "finalizers": [], "ownerReferences": []}
        made = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": meta, "data": {}})
        self.assertEqual(sorted(made.json()), ["apiVersion", "kind", "metadata"])
        wanted = ["creationTimestamp", "name", "namespace", "resourceVersion", "uid"]
        self.assertEqual(sorted(set(made.json()["metadata"]) - {"managedFields"}), wanted)

    async def test_generated_name(self) -> None:
        made = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": {"generateName": "some-"}})
        self.assertRegex(made.json()["metadata"]["name"], r"^some-[a-z0-9]{5}$")
        self.assertEqual(made.json()["metadata"]["generateName"], "some-")

    async def test_exists(self) -> None:
        await self.make_config_map("a")
        reply = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": {"name": "a"}})
        details = {"name": "a", "kind": "configmaps"}
        self.assertStatus(reply, 409, "AlreadyExists", 'configmaps "a" already exists', details)

    async def test_no_namespace(self) -> None:
        reply = await self.api.call("POST", "/api/v1/namespaces/not-there/configmaps", {"metadata": {"name": "a"}})
        details = {"name": "not-there", "kind": "namespaces"}
        self.assertStatus(reply, 404, "NotFound", 'namespaces "not-there" not found', details)

    async def test_bad_name(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": {"name": "A_b"}})
        causes = [{"reason": "FieldValueInvalid", "message": _BAD_NAME, "field": "metadata.name"}]
        details = {"name": "A_b", "kind": "ConfigMap", "causes": causes}
        self.assertStatus(reply, 422, "Invalid", f'ConfigMap "A_b" is invalid: metadata.name: {_BAD_NAME}', details)

    async def test_no_name(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": {}})
        why = "Required value: name or generateName is required"
        causes = [{"reason": "FieldValueRequired", "message": why, "field": "metadata.name"}]
        message = f'ConfigMap "" is invalid: metadata.name: {why}'
        self.assertStatus(reply, 422, "Invalid", message, {"kind": "ConfigMap", "causes": causes})

    async def test_bad_label(self) -> None:
        body = {"metadata": {"name": "a", "labels": {"x": "no good"}}}
        reply = await self.api.call("POST", f"{self.here}/configmaps", body)
        self.assertEqual(reply.code, 422)
        cause = reply.json()["details"]["causes"][0]
        self.assertEqual((cause["reason"], cause["field"]), ("FieldValueInvalid", "metadata.labels"))
        self.assertIn("a valid label must be an empty string or consist of alphanumeric characters", cause["message"])

    async def test_other_namespace(self) -> None:
        body = {"metadata": {"name": "a", "namespace": "other"}}
        reply = await self.api.call("POST", f"{self.here}/configmaps", body)
        message = "the namespace of the provided object does not match the namespace sent on the request"
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_other_kind(self) -> None:
        body = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}
        reply = await self.api.call("POST", f"{self.here}/configmaps", body)
        why = "converting (v1.Secret) to (core.ConfigMap): unknown conversion"
        message = f'Secret in version "v1" cannot be handled as a ConfigMap: {why}'
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_not_json(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/configmaps", b"{")
        why = "couldn't get version/kind; json parse error: unexpected end of JSON input ({)"
        message = f"the object provided is unrecognized (must be of type ConfigMap): {why}"
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_wrong_type(self) -> None:
        body = {"metadata": {"name": "a"}, "data": {"k": 1}}
        reply = await self.api.call("POST", f"{self.here}/configmaps", body)
        why = "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        message = f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {why}'
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_media_type(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": {"name": "a"}}, "text/plain")
        known = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        message = f"the body of the request was in an unknown format - accepted media types include: {known}"
        self.assertStatus(reply, 415, "UnsupportedMediaType", message)

    async def test_yaml(self) -> None:
        body = b"metadata: {name: a}\ndata: {k: v}\n"
        reply = await self.api.call("POST", f"{self.here}/configmaps", body, "application/yaml")
        self.assertEqual((reply.code, reply.json()["data"]), (201, {"k": "v"}))

    async def test_unknown_fields(self) -> None:
        """They are refused, warned of, or dropped silently, as C{fieldValidation} says; never stored."""
        body = {"metadata": {"name": "a"}, "foo": 1}
        strict = await self.api.call("POST", f"{self.here}/configmaps?fieldValidation=Strict", body)
        why = 'strict decoding error: unknown field "foo"'
        message = f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {why}'
        self.assertStatus(strict, 400, "BadRequest", message)
        warned = await self.api.call("POST", f"{self.here}/configmaps?dryRun=All", body)
        self.assertEqual(warned.header("Warning"), '299 - "unknown field \\"foo\\""')
        silent = await self.api.call("POST", f"{self.here}/configmaps?fieldValidation=Ignore", body)
        self.assertEqual((silent.code, silent.header("Warning"), "foo" in silent.json()), (201, "", False))

    async def test_dry_run(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/configmaps?dryRun=All", {"metadata": {"name": "a"}})
        self.assertEqual(reply.code, 201)
        self.assertNotIn("resourceVersion", reply.json()["metadata"])
        self.assertEqual((await self.api.call("GET", f"{self.here}/configmaps/a")).code, 404)

    async def test_bad_dry_run(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/configmaps?dryRun=some", {"metadata": {"name": "a"}})
        why = 'Unsupported value: ["some"]: supported values: "All"'
        causes = [{"reason": "FieldValueNotSupported", "message": why, "field": "dryRun"}]
        details = {"group": "meta.k8s.io", "kind": "CreateOptions", "causes": causes}
        message = f'CreateOptions.meta.k8s.io "" is invalid: dryRun: {why}'
        self.assertStatus(reply, 422, "Invalid", message, details)


class Defaulting(ContractTestCase):
    async def test_pod(self) -> None:
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
        pod = (await self.api.call("POST", f"{self.here}/pods", body)).json()
        wanted = {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30}
        self.assertEqual({key: pod["spec"][key] for key in wanted}, wanted)
        self.assertEqual(pod["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent")
        self.assertEqual(pod["status"], {"phase": "Pending", "qosClass": "BestEffort"})
        self.assertEqual(pod["metadata"]["generation"], 1)

    async def test_pod_without_containers(self) -> None:
        reply = await self.api.call("POST", f"{self.here}/pods", {"metadata": {"name": "p"}, "spec": {}})
        causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers"}]
        details = {"name": "p", "kind": "Pod", "causes": causes}
        message = 'Pod "p" is invalid: spec.containers: Required value'
        self.assertStatus(reply, 422, "Invalid", message, details)

    async def test_deployment(self) -> None:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
        made = await self.api.call("POST", f"/apis/apps/v1/namespaces/{self.namespace}/deployments", body)
        spec = made.json()["spec"]
        self.assertEqual((spec["replicas"], spec["revisionHistoryLimit"]), (1, 10))
        rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
        self.assertEqual(spec["strategy"], {"type": "RollingUpdate", "rollingUpdate": rolling})
        self.assertEqual(made.json()["metadata"]["generation"], 1)

    async def test_secret(self) -> None:
        body = {"metadata": {"name": "s"}, "stringData": {"k": "v"}}
        made = (await self.api.call("POST", f"{self.here}/secrets", body)).json()
        self.assertEqual((made["type"], made["data"], "stringData" in made), ("Opaque", {"k": "dg=="}, False))

    async def test_service(self) -> None:
        body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
        spec = (await self.api.call("POST", f"{self.here}/services", body)).json()["spec"]
        self.assertEqual((spec["type"], spec["sessionAffinity"]), ("ClusterIP", "None"))
        self.assertEqual(spec["ports"], [{"protocol": "TCP", "port": 80, "targetPort": 80}])
        self.assertRegex(spec["clusterIP"], r"^10\.")
        self.assertEqual(spec["clusterIPs"], [spec["clusterIP"]])

    async def test_namespace(self) -> None:
        made = (await self.api.call("GET", f"/api/v1/namespaces/{self.namespace}")).json()
        self.assertEqual(made["metadata"]["labels"], {"kubernetes.io/metadata.name": self.namespace})
        self.assertEqual((made["spec"], made["status"]), ({"finalizers": ["kubernetes"]}, {"phase": "Active"}))


class Updating(ContractTestCase):
    async def test_replaces(self) -> None:
        made = await self.make_config_map("a", k="v")
        made["data"] = {"other": "1"}
        reply = await self.api.call("PUT", f"{self.here}/configmaps/a", made)
        self.assertEqual((reply.code, reply.json()["data"]), (200, {"other": "1"}))
        self.assertGreater(int(reply.json()["metadata"]["resourceVersion"]), int(made["metadata"]["resourceVersion"]))

    async def test_conflict(self) -> None:
        made = await self.make_config_map("a", k="v")
        await self.api.call("PUT", f"{self.here}/configmaps/a", {"metadata": {"name": "a"}, "data": {"k": "w"}})
        reply = await self.api.call("PUT", f"{self.here}/configmaps/a", made)
        why = "the object has been modified; please apply your changes to the latest version and try again"
        message = f'Operation cannot be fulfilled on configmaps "a": {why}'
        self.assertStatus(reply, 409, "Conflict", message, {"name": "a", "kind": "configmaps"})

    async def test_nothing_changed(self) -> None:
        """Writing what is there already gives no new version."""
        made = await self.make_config_map("a", k="v")
        reply = await self.api.call("PUT", f"{self.here}/configmaps/a", made)
        self.assertEqual(reply.json()["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])

    async def test_other_name(self) -> None:
        await self.make_config_map("a")
        reply = await self.api.call("PUT", f"{self.here}/configmaps/a", {"metadata": {"name": "b"}})
        message = "the name of the object (b) does not match the name on the URL (a)"
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_other_uid(self) -> None:
        made = await self.make_config_map("a")
        body = {"metadata": {"name": "a", "uid": "1"}}
        reply = await self.api.call("PUT", f"{self.here}/configmaps/a", body)
        self.assertEqual((reply.code, reply.json()["reason"]), (409, "Conflict"))
        why = f"Precondition failed: UID in precondition: 1, UID in object meta: {made['metadata']['uid']}"
        self.assertIn(why, reply.json()["message"])

    async def test_missing(self) -> None:
        reply = await self.api.call("PUT", f"{self.here}/configmaps/a", {"metadata": {"name": "a"}})
        self.assertStatus(reply, 404, "NotFound", 'configmaps "a" not found', {"name": "a", "kind": "configmaps"})

    async def test_server_fields_are_kept(self) -> None:
        made = await self.make_config_map("a")
        body = {"metadata": {"name": "a", "creationTimestamp": "2001-01-01T00:00:00Z"}, "data": {"k": "v"}}
        meta = (await self.api.call("PUT", f"{self.here}/configmaps/a", body)).json()["metadata"]
        for key in ("uid", "creationTimestamp", "namespace"):
            self.assertEqual(meta[key], made["metadata"][key])

    async def test_status_is_separate(self) -> None:
        """An ordinary write leaves the status alone, and one of the status leaves all else."""
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        pod = (await self.api.call("POST", f"{self.here}/pods", body)).json()
        changed = {**pod, "status": {"phase": "Running"}, "metadata": {**pod["metadata"], "labels": {"l": "1"}}}
        plain = (await self.api.call("PUT", f"{self.here}/pods/p", changed)).json()
        self.assertEqual((plain["status"]["phase"], plain["metadata"]["labels"]), ("Pending", {"l": "1"}))
        plain["status"]["phase"] = "Running"
        plain["spec"]["nodeName"] = "ignored"
        status = (await self.api.call("PUT", f"{self.here}/pods/p/status", plain)).json()
        self.assertEqual((status["status"]["phase"], "nodeName" in status["spec"]), ("Running", False))

    async def test_scale(self) -> None:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        await self.api.call("POST", path, body)
        scale = (await self.api.call("GET", f"{path}/d/scale")).json()
        self.assertEqual((scale["kind"], scale["apiVersion"]), ("Scale", "autoscaling/v1"))
        self.assertEqual((scale["spec"], scale["status"]), ({"replicas": 1}, {"replicas": 0, "selector": "a=b"}))
        scale["spec"]["replicas"] = 4
        await self.api.call("PUT", f"{path}/d/scale", scale)
        found = (await self.api.call("GET", f"{path}/d")).json()
        self.assertEqual((found["spec"]["replicas"], found["metadata"]["generation"]), (4, 2))
        patch = {"spec": {"replicas": 2}}
        reply = await self.api.call("PATCH", f"{path}/d/scale", patch, "application/merge-patch+json")
        self.assertEqual(reply.json()["spec"], {"replicas": 2})


class Deleting(ContractTestCase):
    async def test_gone(self) -> None:
        made = await self.make_config_map("a")
        reply = await self.api.call("DELETE", f"{self.here}/configmaps/a")
        details = {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
        wanted = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        self.assertEqual((reply.code, reply.json()), (200, wanted))
        again = await self.api.call("DELETE", f"{self.here}/configmaps/a")
        self.assertStatus(again, 404, "NotFound", 'configmaps "a" not found', {"name": "a", "kind": "configmaps"})

    async def test_preconditions(self) -> None:
        made = await self.make_config_map("a")
        uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
        details = {"name": "a", "kind": "ConfigMap"}
        reply = await self.api.call("DELETE", f"{self.here}/configmaps/a", {"preconditions": {"uid": "x"}})
        why = f"the UID in the precondition (x) does not match the UID in record ({uid}). "
        why += "The object might have been deleted and then recreated"
        message = f'Operation cannot be fulfilled on ConfigMap "a": {why}'
        self.assertStatus(reply, 409, "Conflict", message, details)
        body = {"preconditions": {"resourceVersion": "1"}}
        reply = await self.api.call("DELETE", f"{self.here}/configmaps/a", body)
        why = f"the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). "
        message = f'Operation cannot be fulfilled on ConfigMap "a": {why}The object might have been modified'
        self.assertStatus(reply, 409, "Conflict", message, details)

    async def test_dry_run(self) -> None:
        await self.make_config_map("a")
        self.assertEqual((await self.api.call("DELETE", f"{self.here}/configmaps/a?dryRun=All")).code, 200)
        self.assertEqual((await self.api.call("GET", f"{self.here}/configmaps/a")).code, 200)

    async def test_finalizers(self) -> None:
        """An object with finalizers stays, marked, until the last one is taken away."""
        body = {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
        await self.api.call("POST", f"{self.here}/configmaps", body)
        reply = await self.api.call("DELETE", f"{self.here}/configmaps/a")
        self.assertEqual((reply.code, reply.json()["kind"]), (200, "ConfigMap"))
        self.assertIn("deletionTimestamp", reply.json()["metadata"])
        self.assertEqual(reply.json()["metadata"]["deletionGracePeriodSeconds"], 0)
        patch = {"metadata": {"finalizers": None}}
        freed = await self.api.call("PATCH", f"{self.here}/configmaps/a", patch, "application/merge-patch+json")
        self.assertEqual(freed.code, 200)
        self.assertEqual((await self.api.call("GET", f"{self.here}/configmaps/a")).code, 404)

    async def test_pod_is_given_back(self) -> None:
        """Deleting a Pod that no node has yet removes it, and answers with it."""
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        await self.api.call("POST", f"{self.here}/pods", body)
        reply = await self.api.call("DELETE", f"{self.here}/pods/p")
        self.assertEqual((reply.code, reply.json()["kind"]), (200, "Pod"))
        self.assertEqual((await self.api.call("GET", f"{self.here}/pods/p")).code, 404)

    async def test_graceful_pod(self) -> None:
        """A Pod on a node ends gracefully: it is marked, and goes when its node says so."""
        spec = {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]}
        await self.api.call("POST", f"{self.here}/pods", {"metadata": {"name": "p"}, "spec": spec})
        reply = await self.api.call("DELETE", f"{self.here}/pods/p")
        self.assertEqual(reply.json()["metadata"]["deletionGracePeriodSeconds"], 30)
        self.assertEqual((await self.api.call("GET", f"{self.here}/pods/p")).code, 200)
        await self.api.call("DELETE", f"{self.here}/pods/p", {"gracePeriodSeconds": 0})
        self.assertEqual((await self.api.call("GET", f"{self.here}/pods/p")).code, 404)

    async def test_service_is_given_back(self) -> None:
        body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
        await self.api.call("POST", f"{self.here}/services", body)
        reply = await self.api.call("DELETE", f"{self.here}/services/s")
        self.assertEqual((reply.code, reply.json()["kind"]), (200, "Service"))

    async def test_namespace_terminates(self) -> None:
        reply = await self.api.call("DELETE", f"/api/v1/namespaces/{self.namespace}")
        self.assertEqual((reply.code, reply.json()["status"]), (200, {"phase": "Terminating"}))
        made = await self.api.call("POST", f"{self.here}/configmaps", {"metadata": {"name": "late"}})
        why = f"unable to create new content in namespace {self.namespace} because it is being terminated"
        self.assertEqual(made.code, 403)
        self.assertEqual(made.json()["message"], f'configmaps "late" is forbidden: {why}')
        self.assertEqual(made.json()["details"]["causes"][0]["reason"], "NamespaceTerminating")

    async def test_collection(self) -> None:
        for number in "123":
            await self.make_config_map(f"c{number}", {"n": number})
        reply = await self.api.call("DELETE", f"{self.here}/configmaps?labelSelector=n+in+(1,2)")
        self.assertEqual((reply.code, reply.json()["kind"]), (200, "ConfigMapList"))
        left = await self.api.call("GET", f"{self.here}/configmaps?labelSelector=n")
        self.assertEqual([item["metadata"]["name"] for item in left.json()["items"]], ["c3"])
