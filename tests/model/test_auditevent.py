"""Tests for L{clustergateway.model.auditevent}."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Forbidden
from clustergateway.model.auditevent import Told, account, audit_id, event, micro_time
from clustergateway.model.auditpolicy import COMPLETE, PANIC, RECEIVED, STAGES, STARTED, Level
from clustergateway.model.identity import Identity
from clustergateway.model.record import Record
from clustergateway.model.status import status

JANE = Identity("jane", ("dev",), "42", (("scopes", ("a", "b")),), "x509")
READER = Identity("reader", ("view",))


def record(**more: Any) -> Record:
    given: dict[str, Any] = {
        "address": "10.0.0.1",
        "user_agent": "kubectl/v1.36",
        "audit_id": "id-1",
        "identity": JANE,
        "cluster": "east",
        "endpoint": "east.example:6443",
        "verb": "create",
        "resource": "pods",
        "group": "",
        "version": "v1",
        "namespace": "default",
        "name": "web",
        "impersonated": READER,
        "rule": "readers",
        "code": 201,
        "outcome": "complete",
        "decided": 1.25,
        "sent": 1.5,
        "answered": 2.0,
        "ended": 3.0,
        "bytes_in": 5,
        "bytes_out": 7,
        **more,
    }
    return Record("POST", "/apis/x/proxy/api/v1/namespaces/default/pods?dryRun=All", 1.0, **given)


def text(value: object) -> bool:
    return isinstance(value, str)


def texts(value: object) -> bool:
    return isinstance(value, list) and all(map(text, value))


def moment(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", value) is not None


def struct(**fields: Callable[[object], bool]) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        return isinstance(value, dict) and all(key in fields and fields[key](each) for key, each in value.items())

    return fits


def mapping(inner: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(text(key) and inner(each) for key, each in value.items())


USER = struct(username=text, uid=text, groups=texts, extra=mapping(texts))
STATUS = struct(
    metadata=struct(), status=lambda value: value in ("Success", "Failure"), message=text, reason=text,
    code=lambda value: type(value) is int,
)  # fmt: skip
EVENT = {
    "kind": lambda value: value == "Event",
    "apiVersion": lambda value: value == "audit.k8s.io/v1",
    "level": lambda value: value in ("Metadata", "Request", "RequestResponse"),
    "auditID": text,
    "stage": lambda value: value in STAGES,
    "requestURI": text,
    "verb": text,
    "user": USER,
    "impersonatedUser": USER,
    "sourceIPs": texts,
    "userAgent": text,
    "objectRef": struct(
        resource=text, namespace=text, name=text, uid=text, apiGroup=text, apiVersion=text, resourceVersion=text,
        subresource=text,
    ),
    "responseStatus": STATUS,
    "requestObject": lambda value: value is not None,
    "responseObject": lambda value: value is not None,
    "requestReceivedTimestamp": moment,
    "stageTimestamp": moment,
    "annotations": mapping(text),
}  # fmt: skip
"""The type Event of k8s.io/apiserver/pkg/apis/audit/v1, field by field; the first seven are required."""
REQUIRED = ("kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "user")


def wrong(found: dict[str, Any]) -> list[str]:
    """The fields that are not as Kubernetes has them."""
    missing = [key for key in REQUIRED if key not in found]
    return missing + [key for key, value in found.items() if key not in EVENT or not EVENT[key](value)]


class EventTests(SynchronousTestCase):
    def test_a_whole_one(self) -> None:
        told = Told({"note": "x"}, {"kind": "Pod"}, {"kind": "Status"})
        found = event(record(), Level.REQUEST_RESPONSE, COMPLETE, 3.0, told)
        self.assertEqual(
            found,
            {
                "kind": "Event",
                "apiVersion": "audit.k8s.io/v1",
                "level": "RequestResponse",
                "auditID": "id-1",
                "stage": "ResponseComplete",
                "requestURI": "/apis/x/proxy/api/v1/namespaces/default/pods?dryRun=All",
                "verb": "create",
                "user": {"username": "jane", "uid": "42", "groups": ["dev"], "extra": {"scopes": ["a", "b"]}},
                "impersonatedUser": {"username": "reader", "groups": ["view"]},
                "sourceIPs": ["10.0.0.1"],
                "userAgent": "kubectl/v1.36",
                "objectRef": {"resource": "pods", "namespace": "default", "name": "web", "apiVersion": "v1"},
                "responseStatus": {"metadata": {}, "code": 201},
                "requestObject": {"kind": "Pod"},
                "responseObject": {"kind": "Status"},
                "requestReceivedTimestamp": "1970-01-01T00:00:01.000000Z",
                "stageTimestamp": "1970-01-01T00:00:03.000000Z",
                "annotations": {
                    "cluster.core.oam.dev/cluster": "east",
                    "cluster.core.oam.dev/endpoint": "east.example:6443",
                    "cluster.core.oam.dev/rule": "readers",
                    "cluster.core.oam.dev/outcome": "complete",
                    "cluster.core.oam.dev/bytes-in": "5",
                    "cluster.core.oam.dev/bytes-out": "7",
                    "cluster.core.oam.dev/latency-total": "2000.000ms",
                    "cluster.core.oam.dev/latency-decided": "250.000ms",
                    "cluster.core.oam.dev/latency-upstream": "500.000ms",
                    "cluster.core.oam.dev/note": "x",
                },
            },
        )
        self.assertEqual(wrong(found), [])

    def test_levels(self) -> None:
        told = Told({}, {"a": 1}, {"b": 1})
        found = event(record(), Level.METADATA, COMPLETE, 3.0, told)
        self.assertFalse({"requestObject", "responseObject"} & set(found))
        found = event(record(), Level.REQUEST, COMPLETE, 3.0, told)
        self.assertEqual({"requestObject", "responseObject"} & set(found), {"requestObject"})

    def test_stages(self) -> None:
        received = event(record(), Level.METADATA, RECEIVED, 1.0, Told({}))
        self.assertNotIn("responseStatus", received)
        self.assertNotIn("cluster.core.oam.dev/outcome", received["annotations"])
        started = event(record(), Level.METADATA, STARTED, 2.0, Told({}))
        self.assertEqual(started["responseStatus"]["code"], 201)
        panic = event(record(code=0, outcome="panic"), Level.METADATA, PANIC, 2.0, Told({}))
        self.assertEqual(panic["responseStatus"], {"metadata": {}, "status": "Failure", "code": 500})

    def test_a_refusal_says_why(self) -> None:
        found = event(record(code=403, outcome="refused", cause="no"), Level.METADATA, COMPLETE, 3.0, Told({}))
        self.assertEqual(found["responseStatus"], {"metadata": {}, "status": "Failure", "message": "no", "code": 403})

    def status(self, told: Told | None = None, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = event(record(**more), Level.METADATA, COMPLETE, 3.0, told or Told({}))["responseStatus"]
        return found

    def test_a_refusal_of_the_gateway_says_what_the_client_was_told(self) -> None:
        refused = record(outcome="refused")
        refused.failed_with(Forbidden("no", cluster="east", hop="upstream"), answered=True)
        self.assertEqual(
            event(refused, Level.METADATA, COMPLETE, 3.0, Told({}))["responseStatus"],
            {
                "metadata": {},
                "status": "Failure",
                "message": 'cluster "east" upstream: no',
                "reason": "Forbidden",
                "code": 403,
            },
        )

    def test_a_refusal_of_the_cluster_says_what_the_cluster_said(self) -> None:
        told = Told({}, message="pods is forbidden", reason="Forbidden")
        self.assertEqual(
            self.status(told, code=403),
            {"metadata": {}, "status": "Failure", "message": "pods is forbidden", "reason": "Forbidden", "code": 403},
        )

    def test_a_client_that_left(self) -> None:
        self.assertEqual(self.status(code=0, outcome="client-gone"), {"metadata": {}, "status": "Failure", "code": 499})
        self.assertEqual(self.status(code=200, outcome="client-gone")["status"], "Failure")

    def test_a_client_that_has_seen_enough(self) -> None:
        both: tuple[dict[str, Any], ...] = ({"verb": "watch"}, {"subresource": "log"})
        for what in both:
            self.assertEqual(self.status(code=200, outcome="client-gone", **what), {"metadata": {}, "code": 200})
            self.assertEqual(self.status(code=0, outcome="client-gone", **what)["status"], "Failure")
            self.assertEqual(self.status(code=403, outcome="client-gone", **what)["status"], "Failure")

    def test_the_way_it_came(self) -> None:
        for address, forwarded, expected in (
            ("10.0.0.1", ("192.0.2.1", "192.0.2.2"), ["192.0.2.1", "192.0.2.2", "10.0.0.1"]),
            ("10.0.0.1", ("192.0.2.1", "10.0.0.1"), ["192.0.2.1", "10.0.0.1"]),
            ("", ("192.0.2.1",), ["192.0.2.1"]),
        ):
            found = event(record(address=address, forwarded=forwarded), Level.METADATA, RECEIVED, 1.0, Told({}))
            self.assertEqual(found["sourceIPs"], expected)
        self.assertNotIn("sourceIPs", event(record(address=""), Level.METADATA, RECEIVED, 1.0, Told({})))

    def test_a_session(self) -> None:
        found = event(record(upgrade="websocket", code=101), Level.METADATA, COMPLETE, 3.0, Told({}, exit_code=0))
        notes = {key.removeprefix("cluster.core.oam.dev/"): text for key, text in found["annotations"].items()}
        self.assertEqual(notes["session-started"], "1970-01-01T00:00:02.000000Z")
        self.assertEqual(notes["session-ended"], "1970-01-01T00:00:03.000000Z")
        self.assertEqual((notes["upgrade"], notes["exit-code"]), ("websocket", "0"))

    @given(
        st.builds(
            Record,
            *(st.text(), st.text(), st.floats(0, 4e9)),
            **{
                name: st.text() for name in ("address", "user_agent", "audit_id", "cluster", "verb", "resource", "name")
            },
            **{name: st.floats(-1, 4e9) for name in ("decided", "sent", "answered", "ended")},
            code=st.integers(0, 599),
            outcome=st.sampled_from(["", "complete", "refused", "client-gone", "panic"]),
            impersonated=st.one_of(st.none(), st.just(READER)),
        ),
        st.sampled_from([Level.METADATA, Level.REQUEST, Level.REQUEST_RESPONSE]),
        st.sampled_from(STAGES),
    )
    def test_every_event_is_as_kubernetes_has_it(self, record: Record, level: Level, stage: str) -> None:
        found = event(record, level, stage, max(0.0, record.ended), Told({}, {"x": 1}, [1], 1))
        self.assertEqual(wrong(found), [])
        self.assertEqual(json.loads(json.dumps(found)), found)


class AccountTests(SynchronousTestCase):
    """Each object that the level asks for is there, or it is said why not."""

    def told(self, level: Level = Level.REQUEST_RESPONSE, told: Told | None = None, **more: Any) -> Told:
        told = told or Told({})
        account(told, record(**more), level)
        return told

    def test_what_is_there_needs_no_words(self) -> None:
        self.assertEqual(self.told(told=Told({}, {"a": 1}, {"b": 2})).notes, {})

    def test_what_there_was_none_of_neither(self) -> None:
        self.assertEqual(self.told(bytes_in=0, bytes_out=0).notes, {})

    def test_what_the_level_does_not_ask_for_neither(self) -> None:
        self.assertEqual(self.told(Level.METADATA).notes, {})
        self.assertEqual(list(self.told(Level.REQUEST).notes), ["request-object"])

    def test_what_is_not_shown(self) -> None:
        cases: tuple[tuple[dict[str, Any], str], ...] = (
            ({"resource": "secrets"}, "omitted: secrets hold secrets"),
            ({"verb": "watch"}, "omitted: it is a stream"),
            ({"resource": ""}, "omitted: it is no resource's"),
            ({}, "omitted: it was not looked at"),
        )
        for what, why in cases:
            self.assertEqual(self.told(**what).notes, {"request-object": why, "response-object": why})

    def test_a_better_reason_stays(self) -> None:
        notes = {"request-object": "omitted: it is not JSON", "response-object": "omitted: it is not JSON"}
        self.assertEqual(self.told(told=Told(dict(notes))).notes, notes)

    def test_a_body_that_nobody_read(self) -> None:
        self.assertIn("request-object", self.told(bytes_in=0, unread=True).notes)

    def test_a_refusal_of_our_own_is_shown_whatever_it_is_about(self) -> None:
        refusal = status(Forbidden("no"))
        told = self.told(told=Told({"response-object": "omitted: x"}), resource="secrets", refusal=refusal)
        self.assertEqual((told.response["kind"], told.response["message"]), ("Status", "no"))
        self.assertEqual(list(told.notes), ["request-object"])

    def test_but_not_where_it_had_no_body(self) -> None:
        self.assertIsNone(self.told(refusal=status(Forbidden("no")), bytes_out=0).response)


class SmallTests(SynchronousTestCase):
    def test_micro_time(self) -> None:
        self.assertEqual(micro_time(1.9999999), "1970-01-01T00:00:02.000000Z")
        self.assertEqual(micro_time(1_700_000_000.25), "2023-11-14T22:13:20.250000Z")

    def test_audit_id(self) -> None:
        for given_ in ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "x"):
            self.assertEqual(audit_id(given_, lambda: "new"), given_)
        for given_ in ("", "a b", "a\n", "x" * 257, "é"):
            self.assertEqual(audit_id(given_, lambda: "new"), "new")
