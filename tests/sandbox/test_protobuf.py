from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.protobuf import MAGIC, decoded
from clustergateway.sandbox.status import ApiError


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(number: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + text(1, text(1, api_version) + text(2, kind)) + text(2, raw)


class DecodedTests(SynchronousTestCase):
    def test_config_map(self) -> None:
        meta = text(1, "a") + text(3, "ns") + text(11, text(1, "l") + text(2, "v")) + text(8, b"")
        raw = text(1, meta) + text(2, text(1, "k") + text(2, "w"))
        wanted = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"k": "w"}}
        found = decoded(enveloped("v1", "ConfigMap", raw))
        self.assertEqual(found, wanted | {"metadata": {"name": "a", "namespace": "ns", "labels": {"l": "v"}}})

    def test_zeros(self) -> None:
        """A zero that means something stays; one that only says nothing does not."""
        spec = number(1, 0) + number(5, 0)
        found = decoded(enveloped("apps/v1", "Deployment", text(2, spec)))
        self.assertEqual(found["spec"], {"replicas": 0})

    def test_times(self) -> None:
        spec = text(1, "me") + number(2, 15) + text(3, number(1, 1) + number(2, 250000000))
        found = decoded(enveloped("coordination.k8s.io/v1", "Lease", text(2, spec)))
        wanted = {"holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "1970-01-01T00:00:01.250000Z"}
        self.assertEqual(found["spec"], wanted)

    def test_ports(self) -> None:
        """Numbers or strings, and quantities, are written as JSON has them."""
        port = number(3, 80) + text(4, number(1, 1) + text(3, "http"))
        found = decoded(enveloped("v1", "Service", text(2, text(1, port))))
        self.assertEqual(found["spec"]["ports"], [{"port": 80, "targetPort": "http"}])

    def test_secret(self) -> None:
        raw = text(2, text(1, "k") + text(2, b"\x00\xff"))
        self.assertEqual(decoded(enveloped("v1", "Secret", raw))["data"], {"k": "AP8="})

    def test_options(self) -> None:
        """C{DeleteOptions} come in every group's version."""
        found = decoded(enveloped("apps/v1", "DeleteOptions", number(1, 0) + text(4, "Foreground")))
        wanted = {"kind": "DeleteOptions", "apiVersion": "apps/v1", "gracePeriodSeconds": 0}
        self.assertEqual(found, wanted | {"propagationPolicy": "Foreground"})

    def test_negative(self) -> None:
        found = decoded(enveloped("apps/v1", "Deployment", text(2, number(1, -1))))
        self.assertEqual(found["spec"], {"replicas": -1})

    def test_refused(self) -> None:
        for body in (b"", b"{}", MAGIC, enveloped("v1", "Unknown", b""), enveloped("v1", "Pod", b"\xff")):
            self.assertEqual(self.assertRaises(ApiError, decoded, body).code, 400)

    @given(st.binary(max_size=60), st.sampled_from(["Pod", "Secret", "Service", "Event"]))
    def test_fails_in_no_other_way(self, raw: bytes, kind: str) -> None:
        try:
            found = decoded(enveloped("v1", kind, raw))
        except ApiError as error:
            self.assertEqual(error.code, 400)
        else:
            self.assertEqual(found["kind"], kind)
