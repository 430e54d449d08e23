from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest, ResourceVersionTooLarge, TooManyRequests, Unauthenticated, UpstreamRefused
from clustergateway.model.status import status, status_answer, warning


class Statuses(SynchronousTestCase):
    def test_plain(self) -> None:
        self.assertEqual(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "no",
                "reason": "BadRequest",
                "code": 400,
            },
            status(BadRequest("no")),
        )

    def test_names_cluster_and_hop(self) -> None:
        answer = status(UpstreamRefused("refused", cluster="east", hop="connect"))
        self.assertEqual('cluster "east" connect: refused', answer["message"])
        self.assertEqual("east", answer["details"]["name"])
        self.assertEqual(
            [{"reason": "UpstreamRefused", "message": "refused", "field": "connect"}], answer["details"]["causes"]
        )

    def test_retry_after(self) -> None:
        error = TooManyRequests("later", retry_after=7)
        self.assertEqual(7, status(error)["details"]["retryAfterSeconds"])
        self.assertIn(b"\r\nRetry-After: 7\r\n", status_answer(error, keep_alive=True))

    def test_a_clusters_trouble_is_a_warning_too(self) -> None:
        error = UpstreamRefused('said "no" \\ \r\nä', cluster="east", hop="connect")
        data = status_answer(error, keep_alive=True)
        self.assertIn(b'\r\nWarning: 299 - "cluster \\"east\\" connect: said \\"no\\" \\\\   ?"\r\n', data)
        self.assertLess(len(warning(UpstreamRefused("x" * 5000, cluster="east"))), 600)
        for other in (BadRequest("x", cluster="east"), TooManyRequests("x", cluster="east"), UpstreamRefused("x")):
            self.assertNotIn(b"Warning", status_answer(other, keep_alive=True))

    def test_a_version_that_is_yet_to_come(self) -> None:
        answer = status(ResourceVersionTooLarge(12, 11))
        self.assertEqual((504, "Timeout"), (answer["code"], answer["reason"]))
        self.assertEqual(
            {
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            },
            answer["details"],
        )

    def test_answer(self) -> None:
        data = status_answer(Unauthenticated("ä"), keep_alive=False)
        head, _, body = data.partition(b"\r\n\r\n")
        self.assertEqual("ä", json.loads(body)["message"])
        lines = head.split(b"\r\n")
        self.assertEqual(b"HTTP/1.1 401 Unauthorized", lines[0])
        self.assertIn(b"Content-Length: %d" % len(body), lines)
        self.assertIn(b"Content-Type: application/json", lines)
        self.assertIn(b"Connection: close", lines)
        self.assertTrue(any(line.startswith(b"WWW-Authenticate: ") for line in lines))

    def test_answer_to_head_and_to_http10(self) -> None:
        data = status_answer(BadRequest("x"), keep_alive=True, http10=True, head_only=True)
        self.assertTrue(data.endswith(b"\r\nConnection: keep-alive\r\n\r\n"))
