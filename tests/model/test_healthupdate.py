"""The body of a health update."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from clustergateway.model.gateway import Health
from clustergateway.model.healthupdate import MAXIMUM_BODY, HealthUpdate, parse_health_update

JSON = "application/json"


class HealthUpdateTests(SynchronousTestCase):
    def test_json(self) -> None:
        body = {
            "kind": "ClusterGateway",
            "apiVersion": "cluster.core.oam.dev/v1alpha1",
            "metadata": {"name": "east", "resourceVersion": "5"},
            "spec": {"provider": "ignored"},
            "status": {"healthy": False, "healthyReason": "ConnectionTimeout"},
        }
        found = parse_health_update(json.dumps(body).encode(), "application/json; charset=utf-8", "east")
        self.assertEqual(found, HealthUpdate(Health(False, "ConnectionTimeout"), "5"))

    def test_nothing_is_known(self) -> None:
        body = b'{"metadata":{"name":"east"}}'
        self.assertEqual(parse_health_update(body, "", "east"), HealthUpdate(Health(), ""))

    def test_without_a_name(self) -> None:
        for body in (b"{}", b'{"metadata":{}}', b'{"metadata":{"name":""},"status":{"healthy":true}}'):
            error = self.assertRaises(BadRequest, parse_health_update, body, JSON, "east")
            wanted = "the name of the object (east based on URL) was undeterminable: name must be provided"
            self.assertEqual(error.message, wanted)

    def test_bad_requests(self) -> None:
        for body in (
            b"",
            b"[]",
            b"{",
            b"[" * 100000,
            b'{"kind":"Pod","metadata":{"name":"east"}}',
            b'{"apiVersion":"v1","metadata":{"name":"east"}}',
            b'{"metadata":[]}',
            b'{"metadata":{"name":"west"}}',
            b'{"metadata":{"name":5}}',
            b'{"metadata":{"name":"east","resourceVersion":5}}',
            b'{"metadata":{"name":"east"},"status":{"healthy":"true"}}',
            b'{"metadata":{"name":"east"},"status":{"healthyReason":1}}',
        ):
            self.assertRaises(BadRequest, parse_health_update, body, JSON, "east")

    def test_too_large(self) -> None:
        self.assertRaises(PayloadTooLarge, parse_health_update, b" " * (MAXIMUM_BODY + 1), JSON, "east")

    def test_other_media_types(self) -> None:
        for media_type in ("application/vnd.kubernetes.protobuf", "application/yaml", "text/plain"):
            self.assertRaises(UnsupportedMediaType, parse_health_update, b"{}", media_type, "east")

    @given(st.one_of(st.binary(), st.text().map(str.encode)))
    def test_fails_in_no_other_way(self, body: bytes) -> None:
        try:
            parse_health_update(body, JSON, "east")
        except BadRequest:
            pass
