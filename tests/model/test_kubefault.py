from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    GatewayError,
    HubUnavailable,
    Invalid,
    NotFound,
    TooManyRequests,
)
from clustergateway.model.kubefault import LONGEST_WAIT, event_fault, fault

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "reason", "message", "details", "retryAfterSeconds"]), inner)
    ),
)


class FaultTests(SynchronousTestCase):
    def test_codes(self) -> None:
        for code, kind in (
            (400, BadRequest),
            (401, HubUnavailable),
            (403, Forbidden),
            (404, NotFound),
            (409, Conflict),
            (410, Expired),
            (422, Invalid),
            (429, TooManyRequests),
            (418, HubUnavailable),
            (500, HubUnavailable),
            (504, HubUnavailable),
        ):
            error = fault(code, {"message": "why"})
            self.assertIs(type(error), kind)
            self.assertEqual(error.hop, "hub")

    def test_already_exists(self) -> None:
        self.assertIs(type(fault(409, {"reason": "AlreadyExists"})), AlreadyExists)

    def test_waits(self) -> None:
        self.assertEqual(fault(429, None, "7").retry_after, 7)
        self.assertEqual(fault(429, {"details": {"retryAfterSeconds": 3}}).retry_after, 3)
        self.assertEqual(fault(503, None, "999999").retry_after, LONGEST_WAIT)
        for nonsense in ("", "-1", "soon", "0"):
            self.assertIsNone(fault(429, None, nonsense).retry_after)

    def test_what_is_said(self) -> None:
        self.assertEqual(fault(403, {"message": "no"}).message, "no")
        self.assertIn("403", fault(403, "<html>").message)
        self.assertEqual(len(fault(403, {"message": "x" * 10_000}).message), 500)

    def test_events(self) -> None:
        self.assertIs(type(event_fault({"code": 410, "reason": "Expired"})), Expired)
        self.assertIs(type(event_fault({"reason": "Gone"})), Expired)
        self.assertIs(type(event_fault({"code": 200})), HubUnavailable)
        self.assertIs(type(event_fault([])), HubUnavailable)

    @given(st.integers(400, 599), JSON, st.text(max_size=5))
    def test_always_one_of_ours(self, code: int, status: Any, retry_after: str) -> None:
        self.assertIsInstance(fault(code, status, retry_after), GatewayError)
        self.assertIsInstance(event_fault(status), GatewayError)
