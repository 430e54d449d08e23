from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.addon.leading import LeadingClient
from clustergateway.errors import HubUnavailable
from clustergateway.kube.cache import Informer
from clustergateway.model.resourcetype import SECRETS
from clustergateway.testing.hub import Body, FakeHub, refuse, reply, stream


class LeadingClientTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.hub = FakeHub(otherwise=reply(200, {"kind": "Secret"}))
        self.client = LeadingClient(self.hub.client(Clock()))

    def call(self) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.client.get(SECRETS, "a", "b"))

    def test_another_client(self) -> None:
        self.assertEqual(self.successResultOf(self.call()), {"kind": "Secret"})
        self.hub.answers = [refuse]
        self.failureResultOf(self.call(), HubUnavailable)

    def test_stopped(self) -> None:
        self.client.stop()
        self.failureResultOf(self.call(), CancelledError)
        self.failureResultOf(
            Deferred.fromCoroutine(self.client.stream("/x", (), None)),  # type: ignore[arg-type]
            CancelledError,
        )
        self.assertEqual(self.hub.asked, [])

    def test_stopped_in_the_middle_of_a_call_that_fails(self) -> None:
        waiting: Deferred[Any] = Deferred()
        self.hub.answers = [lambda _: waiting]
        call = self.call()
        self.client.stop()
        waiting.errback(OSError())
        self.failureResultOf(call, CancelledError)

    def test_a_watch_that_begins_anew(self) -> None:
        """It ends there, and nobody has to be told."""
        clock, body = Clock(), Body()
        listing = reply(200, {"metadata": {"resourceVersion": "5"}, "items": []})
        client = LeadingClient(FakeHub(listing, stream(body)).client(clock))
        informer = Informer(client, SECRETS, clock, lambda: 0.0)
        informer.start()
        self.addCleanup(informer.stop)
        client.stop()
        body.end()
        clock.advance(60)
        gc.collect()
        self.assertEqual([], self.flushLoggedErrors())
