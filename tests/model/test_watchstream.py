from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Expired, GatewayError, HubUnavailable
from clustergateway.model.watchstream import TYPES, Event, WatchDecoder

EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(TYPES),
        st.fixed_dictionaries({"metadata": st.fixed_dictionaries({"resourceVersion": st.text(min_size=1)})}),
    )
)


def line(type: Any, content: Any) -> bytes:
    return json.dumps({"type": type, "object": content}).encode() + b"\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


class WatchDecoderTests(SynchronousTestCase):
    @given(EVENTS, st.lists(st.integers(0, 10_000)))
    def test_round_trip_in_any_pieces(self, events: list[Event], cuts: list[int]) -> None:
        data = b"".join(line(each.type, each.object) for each in events)
        decoder = WatchDecoder()
        found = [event for piece in pieces(data, cuts) for event in decoder.feed(piece)]
        decoder.finish()
        self.assertEqual(found, events)

    @given(st.lists(st.binary(max_size=30) | st.just(b"\n") | st.just(b'{"type":"ADDED","object":{}}\n')))
    def test_fails_in_no_other_way(self, data: list[bytes]) -> None:
        decoder = WatchDecoder()
        try:
            for piece in data:
                decoder.feed(piece)
            decoder.finish()
        except HubUnavailable:
            pass

    def test_version(self) -> None:
        (event,) = WatchDecoder().feed(line("BOOKMARK", {"metadata": {"resourceVersion": "7"}}))
        self.assertEqual(event.resource_version, "7")

    def test_error_events(self) -> None:
        self.assertRaises(Expired, WatchDecoder().feed, line("ERROR", {"code": 410}))
        self.assertRaises(HubUnavailable, WatchDecoder().feed, line("ERROR", {"code": 500}))

    def test_no_events(self) -> None:
        metadata = {"metadata": {"resourceVersion": "1"}}
        for data in (
            b"nonsense\n",
            b"[]\n",
            b"[" * 100_000 + b"\n",
            line("ADDED", None),
            line("ADDED", {}),
            line("ADDED", {"metadata": {}}),
            line("ADDED", {"metadata": {"resourceVersion": 1}}),
            line("RENAMED", metadata),
            line(["ADDED"], metadata),
        ):
            self.assertRaises(HubUnavailable, WatchDecoder().feed, data)

    def test_broken_off(self) -> None:
        decoder = WatchDecoder()
        self.assertEqual(decoder.feed(b'{"type"'), [])
        self.assertRaises(HubUnavailable, decoder.finish)

    def test_without_end(self) -> None:
        decoder = WatchDecoder(longest=10)
        decoder.feed(b"x" * 10)
        self.assertRaises(GatewayError, decoder.feed, b"x")
