"""Watching both directions of a SPDY connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.spdy import Data, Encoder, Frame, RstStream, SpdyError, SynReply, SynStream
from clustergateway.model.spdy_watch import MAX_STREAMS, Seen, Watch


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        self.watch = Watch()
        self.to_server = Encoder()
        self.to_client = Encoder()

    def client(self, *frames: Frame) -> list[Seen]:
        return self.watch.client(b"".join(self.to_server.encode(frame) for frame in frames))

    def server(self, *frames: Frame) -> list[Seen]:
        return self.watch.server(b"".join(self.to_client.encode(frame) for frame in frames))

    def test_a_session(self) -> None:
        stdin, stdout = (("streamtype", "stdin"),), (("streamtype", "stdout"),)
        asked = self.client(SynStream(1, stdin), SynStream(3, stdout), Data(1, b"ls\n"))
        self.assertEqual(asked, [Seen(1, "stdin", stdin, True, b"ls\n", False)])
        answered = self.server(SynReply(1), SynReply(3), Data(3, b"bin\n", True))
        self.assertEqual(answered, [Seen(3, "stdout", stdout, False, b"bin\n", True)])
        self.assertEqual(self.client(Data(1, b"", True)), [Seen(1, "stdin", stdin, True, b"", True)])

    def test_streams_end_when_both_sides_have(self) -> None:
        self.client(SynStream(1, (("streamtype", "data"),), fin=True))
        self.assertEqual(self.server(Data(1, b"x", True))[0].streamtype, "data")
        self.assertEqual(self.server(Data(1, b"y"))[0].streamtype, "")

    def test_reset_ends_a_stream(self) -> None:
        self.client(SynStream(1, (("streamtype", "Data"),)))
        self.assertEqual(self.server(RstStream(1, 5))[0], Seen(1, "data", (("streamtype", "Data"),), False, b"", True))
        self.assertEqual(self.client(Data(1, b"y"))[0].streamtype, "")

    def test_memory_is_bounded(self) -> None:
        streams = [SynStream(2 * n + 1, (("streamtype", str(n)),)) for n in range(MAX_STREAMS + 1)]
        self.client(*streams)
        self.assertEqual([seen.streamtype for seen in self.client(Data(1, b"x"), Data(3, b"x"))], ["", "1"])

    def test_one_broken_direction_leaves_the_other(self) -> None:
        self.assertRaises(SpdyError, self.watch.client, b"\x80\x02\x00\x06\x00\x00\x00\x00")
        self.assertEqual(self.server(Data(1, b"x"))[0].data, b"x")
