"""Tests for L{clustergateway.model.asciicast}."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.asciicast import (
    Event,
    Header,
    NotACast,
    Text,
    exit_marker,
    marked_exit,
    parse_events,
    parse_header,
)
from clustergateway.model.channels import TerminalSize

seconds = st.floats(0, 1e6).map(lambda number: round(number, 6))
headers = st.builds(
    Header,
    st.builds(TerminalSize, st.integers(0, 65535), st.integers(0, 65535)),
    st.integers(0, 1 << 40),
    st.text(),
    st.text(),
    st.dictionaries(st.text(), st.text()),
)


class RoundTripTests(SynchronousTestCase):
    @given(headers)
    def test_header(self, header: Header) -> None:
        self.assertEqual(parse_header(header.line()), header)

    @given(st.lists(st.builds(Event, seconds, st.sampled_from("oir"), st.text())))
    def test_events(self, events: list[Event]) -> None:
        self.assertEqual(list(parse_events([event.line() for event in events])), events)

    @given(st.text(), st.data())
    def test_text_in_any_pieces(self, text: str, data: st.DataObject) -> None:
        raw = text.encode("utf-8", "replace")
        cut = data.draw(st.integers(0, len(raw)))
        decoder = Text()
        self.assertEqual(decoder.feed(raw[:cut]) + decoder.feed(raw[cut:]) + decoder.end(), raw.decode())

    @given(seconds, st.integers(0, 255))
    def test_an_exit(self, at: float, code: int) -> None:
        (event,) = parse_events([exit_marker(at, code).line()])
        self.assertEqual((event.at, marked_exit(event)), (at, code))


class FormatTests(SynchronousTestCase):
    def test_what_is_no_exit(self) -> None:
        for code, text in (
            ("o", "exit status 0"),
            ("m", "exit status"),
            ("m", "exit status 0 "),
            ("m", "exit status \u0664"),
        ):
            self.assertIsNone(marked_exit(Event(0.0, code, text)))

    def test_header(self) -> None:
        line = Header(TerminalSize(100, 30), 1700000000, "jane in east", "sh", {"pod": "web"}).line()
        self.assertEqual(
            json.loads(line),
            {
                "version": 2,
                "width": 100,
                "height": 30,
                "timestamp": 1700000000,
                "title": "jane in east",
                "command": "sh",
                "env": {"TERM": "xterm-256color"},
                "clustergateway": {"pod": "web"},
            },
        )

    def test_event(self) -> None:
        self.assertEqual(Event(1.25, "o", "é\n").line(), '[1.250000, "o", "\\u00e9\\n"]\n')

    def test_what_is_not_utf8_is_shown_as_such(self) -> None:
        decoder = Text()
        self.assertEqual(decoder.feed(b"a\xff\xe2\x82"), "a\ufffd")
        self.assertEqual(decoder.end(), "\ufffd")

    def test_a_line_that_is_still_being_written(self) -> None:
        self.assertEqual(list(parse_events(['[0, "o", "a"]\n', '[1, "o'])), [Event(0.0, "o", "a")])

    def test_what_is_none(self) -> None:
        for line in ("", "[]", "{", '{"version": 1}', '{"version": 2}', '{"version": 2, "width": "a", "height": 1}'):
            self.assertRaises(NotACast, parse_header, line)
        for line in ("{}\n", "[1]\n", '["a", "o", "x"]\n', '[1, 2, "x"]\n', '[true, "o", "x"]\n', "x\n"):
            self.assertRaises(NotACast, list, parse_events([line]))

    @given(st.text())
    def test_it_fails_in_no_other_way(self, line: str) -> None:
        self.fails_so_or_not(lambda: parse_header(line))
        self.fails_so_or_not(lambda: list(parse_events([line + "\n"])))

    def fails_so_or_not(self, read: Callable[[], object]) -> None:
        try:
            read()
        except NotACast:
            pass
