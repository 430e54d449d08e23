"""Tests for L{clustergateway.model.auditbody}."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.auditbody import Collected, Omitted, hidden


def collected(*data: bytes, limit: int = 1000) -> Collected:
    body = Collected(limit)
    for each in data:
        body.add(each)
    return body


class ResourceTests(SynchronousTestCase):
    def test_what_may_be_shown(self) -> None:
        for resource, subresource in (
            ("pods", ""),
            ("configmaps", ""),
            ("deployments", "scale"),
            ("serviceaccounts", ""),
        ):
            self.assertEqual(hidden(resource, subresource, "get"), "")

    def test_what_may_not(self) -> None:
        for resource, subresource in (
            *(("secrets", ""), ("secrets", "status"), ("serviceaccounts", "token"), ("tokenreviews", "")),
            *(("pods", "exec"), ("pods", "log"), ("services", "proxy"), ("nodes", "proxy"), ("", "")),
        ):
            self.assertTrue(hidden(resource, subresource, "get"), resource)

    def test_why_not(self) -> None:
        for given_, why in (
            *((("secrets", "", "get"), "secrets hold secrets"), (("", "", "get"), "it is no resource's")),
            (("serviceaccounts", "token", "create"), "serviceaccounts/token hold secrets"),
            *((("pods", "log", "get"), "it is a stream"), (("pods", "", "watch"), "it is a stream")),
        ):
            self.assertEqual(hidden(*given_), why)


class BodyTests(SynchronousTestCase):
    def shown(self, body: Any, *lines: bytes, managed: bool = False) -> Any:
        return collected(json.dumps(body).encode()).shown(lines, managed)

    def omitted(self, body: Collected, *lines: bytes) -> str:
        return str(self.assertRaises(Omitted, body.shown, lines))

    def test_an_object(self) -> None:
        self.assertEqual(collected(b'{"kind":', b'"Pod"}').shown([b"Content-Type: application/json"]), {"kind": "Pod"})

    def test_a_patch_may_be_a_list(self) -> None:
        patch = [{"op": "remove", "path": "/x"}]
        self.assertEqual(self.shown(patch), patch)

    def test_nothing(self) -> None:
        self.assertIsNone(collected().shown([]))

    def test_too_large(self) -> None:
        body = collected(b"[1", b",2]", limit=4)
        self.assertIn("larger", self.omitted(body))
        self.assertEqual(body.size, 5)
        self.assertEqual(collected(b"[1,2]", limit=5).shown([]), [1, 2])

    def test_gzip(self) -> None:
        packed = gzip.compress(b'{"kind":"Pod"}')
        self.assertEqual(collected(packed).shown([b"Content-Encoding: gzip"]), {"kind": "Pod"})
        self.assertIn("gzip", self.omitted(collected(b"{}"), b"content-encoding: gzip"))
        self.assertIn("coding", self.omitted(collected(b"{}"), b"Content-Encoding: br"))

    def test_a_bomb(self) -> None:
        packed = gzip.compress(b"[" + b" " * 1_000_000 + b"]")
        self.assertIn("larger", self.omitted(collected(packed, limit=2000), b"Content-Encoding: gzip"))

    def test_what_is_no_object(self) -> None:
        for body in (b"k8s\0\n", b"kind: Pod", b'"text"', b"1", b'{"a":NaN}', b"[" * 900):
            self.omitted(collected(body))

    def test_no_secret_by_whatever_name(self) -> None:
        secret = {"kind": "Secret", "data": {"token": "aHVudGVyMg=="}}
        table = {"kind": "Table", "rows": [{"cells": ["x"], "object": secret}]}
        for body in (
            *(secret, {"kind": "SecretList", "items": []}, {"kind": "List", "items": [{"kind": "Pod"}, secret]}),
            *(
                table,
                {"kind": "List", "items": [{"kind": "List", "items": [secret]}]},
                {"kind": "TokenReview"},
                [secret],
            ),
        ):
            self.assertIn("secret", self.omitted(collected(json.dumps(body).encode())))

    def test_no_secret_however_deep(self) -> None:
        for secret in (
            {"kind": "Secret", "stringData": {"a": "b"}},
            {"kind": "TokenRequest", "status": {"token": "a"}},
        ):
            work = {"kind": "ManifestWork", "spec": {"workload": {"manifests": [{"kind": "ConfigMap"}, secret]}}}
            self.assertIn("secret", self.omitted(collected(json.dumps(work).encode())))
        # What only names one is shown.
        event = {"kind": "Event", "involvedObject": {"kind": "Secret", "name": "a", "namespace": "b"}}
        self.assertEqual(self.shown(event), event)

    def test_managed_fields(self) -> None:
        pod = {"kind": "Pod", "metadata": {"name": "a", "managedFields": [1]}}
        self.assertEqual(self.shown(pod), pod)
        self.assertEqual(self.shown(pod, managed=True), {"kind": "Pod", "metadata": {"name": "a"}})
        shown = self.shown({"kind": "PodList", "items": [pod]}, managed=True)
        self.assertEqual(shown["items"], [{"kind": "Pod", "metadata": {"name": "a"}}])

    @given(st.binary(), st.sampled_from([b"gzip", b"identity", b"br"]), st.booleans())
    def test_it_fails_in_no_other_way(self, data: bytes, coding: bytes, managed: bool) -> None:
        try:
            collected(data).shown([b"Content-Encoding: " + coding, b"nonsense"], managed)
        except Omitted:
            pass
