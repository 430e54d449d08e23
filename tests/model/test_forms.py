"""The forms of answers are valid JSON of the right shape."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model.forms import OF_MANY, OF_ONE, Form, event_line, form_of
from clustergateway.model.gateway import ClusterGateway, NoCredential
from clustergateway.model.kinds import CLUSTER_GATEWAYS, KINDS
from clustergateway.model.negotiation import PLAIN
from clustergateway.model.paging import Page
from clustergateway.model.rendered import Rendered, encode, render

TABLE = ("Table", "meta.k8s.io", "v1")
PARTIAL = ("PartialObjectMetadata", "meta.k8s.io", "v1")
PARTIALS = ("PartialObjectMetadataList", "meta.k8s.io", "v1beta1")


def item(name: str, version: int = 7) -> Rendered:
    return CLUSTER_GATEWAYS.render(ClusterGateway(name, (), NoCredential(), labels={"ä": '"'}), version)


def row(name: str) -> dict[str, Any]:
    shown = json.loads(item(name).full)
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": shown["metadata"]}
    return {"cells": [name, "", "<none>", "Const", "unknown"], "object": partial}


class OneTests(SynchronousTestCase):
    def test_plain(self) -> None:
        shown = json.loads(Form(CLUSTER_GATEWAYS).one(item("a")))
        self.assertEqual(
            shown["metadata"], {"name": "a", "resourceVersion": "7", "creationTimestamp": None, "labels": {"ä": '"'}}
        )
        self.assertEqual(shown["kind"], "ClusterGateway")

    def test_partial(self) -> None:
        self.assertEqual(json.loads(Form(CLUSTER_GATEWAYS, PARTIAL).one(item("a"))), row("a")["object"])

    def test_table(self) -> None:
        shown = json.loads(Form(CLUSTER_GATEWAYS, TABLE).one(item("a")))
        self.assertEqual(shown["metadata"], {"resourceVersion": "7"})
        self.assertEqual(shown["rows"], [row("a")])


class ManyTests(SynchronousTestCase):
    def test_plain(self) -> None:
        page = Page([item("a"), item("b")], 9, "next", 3)
        shown = json.loads(Form(CLUSTER_GATEWAYS).many(page))
        self.assertEqual(
            shown,
            {
                "kind": "ClusterGatewayList",
                "apiVersion": "cluster.core.oam.dev/v1alpha1",
                "metadata": {"resourceVersion": "9", "continue": "next", "remainingItemCount": 3},
                "items": [json.loads(item("a").full), json.loads(item("b").full)],
            },
        )

    def test_nothing(self) -> None:
        for transform in (PLAIN, TABLE, PARTIALS):
            shown = json.loads(Form(CLUSTER_GATEWAYS, transform).many(Page([], 9)))
            self.assertEqual(shown.get("items", shown.get("rows")), [])
            self.assertEqual(shown["metadata"], {"resourceVersion": "9"})

    def test_table(self) -> None:
        shown = json.loads(Form(CLUSTER_GATEWAYS, TABLE).many(Page([item("a"), item("b")], 9)))
        self.assertEqual((shown["kind"], shown["apiVersion"]), ("Table", "meta.k8s.io/v1"))
        self.assertEqual(shown["rows"], [row("a"), row("b")])
        self.assertEqual(
            shown["columnDefinitions"][0],
            {
                "name": "Name",
                "type": "string",
                "format": "name",
                "description": "the name of the cluster",
                "priority": 0,
            },
        )

    def test_table_rows_carry_what_is_asked_for(self) -> None:
        page = Page([item("a")], 9)
        for include, expected in [
            ("None", None),
            ("Object", json.loads(item("a").full)),
            ("Metadata", row("a")["object"]),
        ]:
            shown = json.loads(Form(CLUSTER_GATEWAYS, TABLE, include).many(page))
            self.assertEqual(shown["rows"][0]["object"], expected)

    def test_partial(self) -> None:
        shown = json.loads(Form(CLUSTER_GATEWAYS, PARTIALS).many(Page([item("a")], 9)))
        self.assertEqual((shown["kind"], shown["apiVersion"]), ("PartialObjectMetadataList", "meta.k8s.io/v1beta1"))
        self.assertEqual(shown["items"], [{**row("a")["object"], "apiVersion": "meta.k8s.io/v1beta1"}])


class EventTests(SynchronousTestCase):
    def test_only_the_first_table_names_its_columns(self) -> None:
        form = Form(CLUSTER_GATEWAYS, TABLE)
        first, second = (json.loads(form.event("ADDED", item("a"), headers)) for headers in (True, False))
        self.assertEqual(len(first["object"]["columnDefinitions"]), 5)
        self.assertIs(second["object"]["columnDefinitions"], None)
        self.assertEqual(second["object"]["rows"], [row("a")])

    def test_plain_is_one_line(self) -> None:
        line = Form(CLUSTER_GATEWAYS).event("DELETED", item("a"), headers=True)
        self.assertEqual(line.count(b"\n"), 1)
        self.assertEqual(json.loads(line), {"type": "DELETED", "object": json.loads(item("a").full)})

    def test_bookmarks(self) -> None:
        for kind in KINDS:
            form = Form(kind)
            shown = json.loads(form.bookmark(12, initial_events_end=True).full)
            self.assertEqual(shown["kind"], kind.kind)
            self.assertEqual(shown["metadata"]["resourceVersion"], "12")
            self.assertEqual(shown["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
            self.assertNotIn(b"annotations", form.bookmark(12, initial_events_end=False).full)
            table = json.loads(Form(kind, TABLE).event("BOOKMARK", form.bookmark(3, False), headers=False))
            self.assertEqual(table["object"]["metadata"], {"resourceVersion": "3"})

    def test_lines(self) -> None:
        self.assertEqual(event_line("ERROR", b"{}"), b'{"type":"ERROR","object":{}}\n')


class FormOfTests(SynchronousTestCase):
    def test_include_object(self) -> None:
        self.assertEqual(form_of(CLUSTER_GATEWAYS, TABLE, {"includeObject": ["None"]}).include, "None")
        self.assertEqual(form_of(CLUSTER_GATEWAYS, PLAIN, {"includeObject": ["x"]}).include, "")
        self.assertRaises(BadRequest, form_of, CLUSTER_GATEWAYS, TABLE, {"includeObject": ["x"]})

    def test_offered(self) -> None:
        self.assertIn(TABLE, OF_ONE & OF_MANY)
        self.assertIn(PARTIAL, OF_ONE - OF_MANY)
        self.assertIn(PARTIALS, OF_MANY - OF_ONE)


class RenderedTests(SynchronousTestCase):
    def test_any_text_can_be_encoded(self) -> None:
        self.assertEqual(encode({"a": "é\ud800"}), b'{"a":"\xc3\xa9?"}')

    def test_render(self) -> None:
        found = render({"metadata": {"name": "x", "creationTimestamp": None}}, [1, None], 4)
        self.assertEqual((found.name, found.version, found.created, found.labels), ("x", 4, "", {}))
        self.assertEqual(found.cells, b"[1,null]")
