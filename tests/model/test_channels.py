"""Remote command messages, and the Status that ends a command."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.channels import (
    Channel,
    ChannelError,
    TerminalSize,
    decode_message,
    decode_size,
    encode_close,
    encode_message,
    encode_size,
    exit_code,
    exit_status,
    failure_status,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["Width", "Height"]), inner),
)


class Messages(SynchronousTestCase):
    def test_on_the_wire(self) -> None:
        self.assertEqual(encode_message(Channel.STDIN, b"ls\n"), b"\x00ls\n")
        self.assertEqual(encode_message(Channel.ERROR, b"{}"), b"\x03{}")
        self.assertEqual(encode_close(Channel.STDIN), b"\xff\x00")
        self.assertEqual(encode_size(TerminalSize(80, 24)), b'{"Width":80,"Height":24}')

    def test_refused(self) -> None:
        for message in (b"", b"\x05x", b"\xfe"):
            self.assertRaises(ChannelError, decode_message, message)

    def test_sizes_refused(self) -> None:
        for text in (
            b"",
            b"\xff",
            b"[]",
            b"{}",
            b'{"Width":80}',
            b'{"Width":-1,"Height":1}',
            b'{"Width":65536,"Height":1}',
            b'{"Width":true,"Height":1}',
            b'{"Width":"80","Height":"24"}',
            b"[" * 100000,
        ):
            self.assertRaises(ChannelError, decode_size, text)

    @given(st.sampled_from(Channel), st.binary())
    def test_round_trip(self, channel: Channel, data: bytes) -> None:
        self.assertEqual(decode_message(encode_message(channel, data)), (channel, data))

    @given(st.integers(0, 65535), st.integers(0, 65535))
    def test_size_round_trip(self, width: int, height: int) -> None:
        size = TerminalSize(width, height)
        self.assertEqual(decode_size(encode_size(size)), size)

    @given(JSON)
    def test_size_fails_in_no_other_way(self, value: Any) -> None:
        try:
            size = decode_size(json.dumps(value).encode())
        except ChannelError:
            return
        self.assertLess(max(size.width, size.height), 65536)


class ExitStatus(SynchronousTestCase):
    def test_success(self) -> None:
        self.assertEqual(exit_status(0)["status"], "Success")

    def test_codes_come_back(self) -> None:
        for code in (0, 1, 3, 127, 255):
            self.assertEqual(exit_code(exit_status(code)), code)

    def test_as_clients_read_it(self) -> None:
        status = exit_status(3)
        self.assertEqual((status["status"], status["reason"]), ("Failure", "NonZeroExitCode"))
        self.assertEqual(status["details"]["causes"], [{"reason": "ExitCode", "message": "3"}])

    def test_a_command_that_did_not_run_has_none(self) -> None:
        status = failure_status("no such file")
        self.assertEqual((status["reason"], status["code"], status["message"]), ("InternalError", 500, "no such file"))
        self.assertIsNone(exit_code(status))

    def test_odd_statuses_have_none(self) -> None:
        odd: list[Any] = [None, [], {}, {"causes": None}, {"causes": [1]}, {"causes": [{"reason": "ExitCode"}]}]
        for details in odd:
            self.assertIsNone(exit_code({"status": "Failure", "reason": "NonZeroExitCode", "details": details}))

    @given(st.dictionaries(st.sampled_from(["status", "reason", "details", "message"]), JSON))
    def test_reading_never_fails(self, status: dict[str, Any]) -> None:
        code = exit_code(status)
        self.assertTrue(code is None or code >= 0)
