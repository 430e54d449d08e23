"""exec over SPDY/3.1, from the first stream to the last."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.spdy import Data, GoAway, MoreHeaders, Ping, RstStream, SynReply, SynStream

from .conversation import SpdyClient, World

SUCCESS = {"metadata": {}, "status": "Success"}
IO = "stdin=true&stdout=true&stderr=true"


class Exec(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def cat(self, protocol: str = "v4.channel.k8s.io") -> tuple[SpdyClient, int]:
        client = self.world.spdy(f"/exec?command=cat&{IO}", protocol)
        client.open("error")
        stdin = client.open("stdin")
        client.open("stdout")
        client.open("stderr")
        return client, stdin

    def script(self, protocol: str, text: str) -> bytes:
        client = self.world.spdy(f"/exec?command=sh&command=-c&command={text}&stdout=true", protocol)
        client.open("error")
        client.open("stdout")
        data, ended, _ = client.streams()
        self.assertEqual(ended, {"error", "stdout"})
        return data.get("error", b"")

    def test_upgrade(self) -> None:
        connection = self.world.connect()
        connection.send(
            b"POST /exec?command=true&stdout=true HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
            b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v7.x\r\n"
            b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
        )
        lines = connection.take_head().split(b"\r\n")
        self.assertEqual(lines[0], b"HTTP/1.1 101 Switching Protocols")
        self.assertIn(b"Upgrade: SPDY/3.1", lines)
        self.assertIn(b"X-Stream-Protocol-Version: v4.channel.k8s.io", lines)

    def test_streams_are_accepted(self) -> None:
        client, _ = self.cat()
        self.assertEqual(client.frames(), [SynReply(1), SynReply(3), SynReply(5), SynReply(7)])

    def test_stdin_to_its_end(self) -> None:
        client, stdin = self.cat()
        client.write(stdin, b"abc")
        self.assertEqual(client.streams(), ({"stdout": b"abc"}, set(), set()))
        client.write(stdin, b"", fin=True)
        data, ended, _ = client.streams()
        self.assertEqual(json.loads(data["error"]), SUCCESS)
        self.assertEqual(ended, {"stdout", "stderr", "error"})

    def test_everything_at_once(self) -> None:
        client = self.world.spdy(f"/exec?command=cat&{IO}")
        streams = [SynStream(n, (("streamtype", kind),)) for n, kind in ((1, "stdin"), (3, "stdout"), (5, "stderr"))]
        client.send(*streams, Data(1, b"abc"), Data(1, b"", True), SynStream(7, (("streamtype", "error"),)))
        frames = client.frames()
        self.assertEqual(next(frame for frame in frames if isinstance(frame, Data)), Data(3, b"abc"))
        self.assertEqual({frame.stream_id for frame in frames if isinstance(frame, Data) and frame.fin}, {3, 5, 7})

    def test_exit_codes(self) -> None:
        for protocol in ("v5.channel.k8s.io", "v4.channel.k8s.io"):
            self.assertIn(b'"message": "3"', self.script(protocol, "exit+3"))

    def test_before_v4_the_error_stream_is_a_sentence(self) -> None:
        for protocol in ("v3.channel.k8s.io", "v2.channel.k8s.io"):
            self.assertEqual(self.script(protocol, "exit+3"), b"command terminated with non-zero exit code: 3")
            self.assertEqual(self.script(protocol, "exit+0"), b"")

    def test_terminal(self) -> None:
        client = self.world.spdy("/exec?command=sh&stdin=true&stdout=true&stderr=true&tty=true")
        for kind in ("error", "stdin", "stdout"):
            client.open(kind)
        resize = client.open("resize")
        client.write(resize, b'{"Width":90,"Height":20}')
        client.write(3, b"stty size\r")
        self.assertEqual(client.streams()[0], {"stdout": b"/ # stty size\r\n20 90\r\n/ # "})

    def test_before_v3_terminals_have_no_size(self) -> None:
        client = self.world.spdy("/exec?command=sh&stdin=true&stdout=true&tty=true", "v2.channel.k8s.io")
        for kind in ("error", "stdin", "stdout"):
            client.open(kind)
        self.assertEqual(client.streams()[0], {"stdout": b"/ # "})

    def test_unwanted_streams(self) -> None:
        client, _ = self.cat()
        client.streams()
        for kind in ("stdin", "resize", "nonsense", "close"):
            client.open(kind)
            self.assertEqual(client.streams()[2], {kind})

    def test_ids_must_grow_and_be_odd(self) -> None:
        client, _ = self.cat()
        client.frames()
        client.send(SynStream(2, (("streamtype", "stdin"),)), SynStream(1, (("streamtype", "stdin"),)))
        self.assertEqual(client.frames(), [RstStream(2, 1), RstStream(1, 1)])

    def test_ping(self) -> None:
        client, _ = self.cat()
        client.frames()
        client.send(Ping(1), Ping(2))
        self.assertEqual(client.frames(), [Ping(1)])

    def test_end_in_a_headers_frame(self) -> None:
        client, stdin = self.cat()
        client.send(MoreHeaders(stdin, (("a", "b"),), fin=True))
        self.assertEqual(json.loads(client.streams()[0]["error"]), SUCCESS)

    def test_reset_of_stdin_ends_it(self) -> None:
        client, stdin = self.cat()
        client.send(RstStream(stdin, 5))
        self.assertEqual(json.loads(client.streams()[0]["error"]), SUCCESS)

    def test_data_of_no_stream(self) -> None:
        client, stdin = self.cat()
        client.streams()
        client.send(Data(99, b"x"), Data(stdin, b"y"))
        self.assertEqual(client.streams()[0], {"stdout": b"y"})

    def test_streams_that_never_come(self) -> None:
        client = self.world.spdy(f"/exec?command=cat&{IO}")
        client.open("error")
        self.world.clock.advance(30)
        self.assertEqual(client.frames()[-1], GoAway(1))
        client.lose()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_the_client_may_hang_up_last(self) -> None:
        client, stdin = self.cat()
        client.write(stdin, b"", fin=True)
        client.frames()
        self.world.clock.advance(9)
        self.assertEqual(client.frames(), [])
        self.world.clock.advance(1)
        self.assertEqual(client.frames(), [GoAway(7)])

    def test_the_client_goes_away(self) -> None:
        client = self.world.spdy("/exec?command=yes&stdout=true")
        client.open("error")
        client.open("stdout")
        self.world.breathe(3)
        client.lose()
        client.frames()
        self.world.breathe(3)
        self.assertEqual(client.frames(), [])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_broken_frames(self) -> None:
        connection = self.world.connect()
        connection.send(
            b"POST /exec?command=cat&stdin=true HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n\x80\x02\x00\x01\x00\x00\x00\x00"
        )
        self.assertTrue(connection.closed)
        connection.lose()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
