"""Port-forward in its three wire forms: SPDY, SPDY tunnelled in WebSocket, WebSocket channels."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.spdy import RstStream
from clustergateway.model.websocket import Opcode

from .conversation import SpdyClient, World

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class _AnySpdy:
    """What holds whatever carries the SPDY."""

    world: World
    client: SpdyClient

    def forward(self, port: str, request: str = "0") -> int:
        """Both streams of a connection, as kubectl opens them; the id of the data stream."""
        headers = {"port": port, "requestid": request}
        self.client.write(self.client.open("error", **headers), b"", fin=True)
        return self.client.open("data", **headers)


class OverSpdy(_AnySpdy, SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.connected()

    def connected(self) -> SpdyClient:
        return self.world.spdy("/portforward", "portforward.k8s.io")

    def test_echo(self) -> None:
        data = self.forward("7")
        self.client.write(data, b"abc")
        self.assertEqual(self.client.streams(), ({"data": b"abc"}, set(), set()))
        self.client.write(data, b"def", fin=True)
        self.assertEqual(self.client.streams(), ({"data": b"def"}, {"data", "error"}, set()))

    def test_page(self) -> None:
        data = self.forward("8080")
        for _ in range(2):
            self.client.write(data, GET)
            answer = self.client.streams()[0]["data"]
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"))
            self.assertTrue(answer.endswith(b"\r\n\r\npod web of cluster east\n"))

    def test_posted(self) -> None:
        data = self.forward("8080")
        self.client.write(data, b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        self.assertTrue(self.client.streams()[0]["data"].endswith(b"\r\n\r\nabc"))

    def test_the_server_closes(self) -> None:
        data = self.forward("8080")
        self.client.write(data, b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(self.client.streams()[1], {"data", "error"})

    def test_nothing_listens(self) -> None:
        self.forward("81")
        data, ended, aborted = self.client.streams()
        self.assertEqual((set(data), ended, aborted), ({"error"}, {"error"}, {"data"}))
        self.assertIn(b"error forwarding port 81 to pod web", data["error"])
        self.assertIn(b"connection refused", data["error"])

    def test_connections_side_by_side(self) -> None:
        one, other = self.forward("7", "1"), self.forward("7", "2")
        self.client.write(other, b"x")
        self.client.write(one, b"y")
        self.assertEqual(self.client.streams()[0]["data"], b"xy")
        self.client.write(one, b"", fin=True)
        self.client.write(other, b"z")
        self.assertEqual(self.client.streams()[0], {"data": b"z"})

    def test_clients_without_request_ids(self) -> None:
        self.client.open("error", port="7")
        self.client.write(self.client.open("data", port="7"), b"abc")
        self.assertEqual(self.client.streams()[0], {"data": b"abc"})

    def test_unwanted_streams(self) -> None:
        for kind, port in (("stdin", "7"), ("data", "x"), ("error", "0"), ("data", "65536"), ("data", "1" * 9999)):
            self.client.open(kind, port=port)
            self.assertEqual(self.client.streams()[2], {kind})

    def test_the_same_stream_twice(self) -> None:
        self.client.open("data", port="7", requestid="1")
        self.client.open("data", port="7", requestid="1")
        self.assertEqual(self.client.streams()[2], {"data"})

    def test_a_stream_that_is_given_up_waits_no_longer(self) -> None:
        self.client.send(RstStream(self.client.open("data", port="7", requestid="1"), 5))
        data = self.forward("7", "1")
        self.client.write(data, b"x")
        self.assertEqual(self.client.streams()[0], {"data": b"x"})

    def test_a_large_answer_stops_with_the_reader(self) -> None:
        data = self.forward("8080")
        self.client.write(data, b"GET /bytes/300000 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.stop_reading()
        self.client.streams()
        self.world.breathe()
        self.assertEqual(self.client.streams()[0], {})
        self.read_again()
        self.world.breathe()
        self.assertGreater(len(self.client.streams()[0]["data"]), 200000)

    def test_a_large_answer_ends_with_the_client(self) -> None:
        self.client.write(self.forward("8080"), b"GET /bytes/99999999 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.client.lose()
        self.world.breathe()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def stop_reading(self) -> None:
        self.last_connection().stop_reading()

    def read_again(self) -> None:
        self.last_connection().read_again()

    def last_connection(self):  # type: ignore[no-untyped-def]
        return self.client.lose.__self__  # type: ignore[attr-defined]


class Tunnelled(OverSpdy):
    def connected(self) -> SpdyClient:
        outer = self.world.websocket("/portforward", "SPDY/3.1+portforward.k8s.io")
        assert b"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io" in outer.head

        def take() -> bytes:
            return b"".join(message.payload for message in outer.messages() if message.opcode is Opcode.BINARY)

        return SpdyClient(outer.send, take, outer.connection.lose)

    def test_broken_spdy(self) -> None:
        outer = self.world.websocket("/portforward", "SPDY/3.1+portforward.k8s.io")
        outer.send(b"\x80\x09\x00\x00\x00\x00\x00\x00")
        self.assertEqual(outer.messages()[-1].opcode, Opcode.CLOSE)


class Channels(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def payloads(self, ports: str) -> list[bytes]:
        self.client = self.world.websocket(f"/portforward?ports={ports}", "v4.channel.k8s.io")
        return [message.payload for message in self.client.messages()]

    def test_ports(self) -> None:
        self.assertEqual(self.payloads("7,8080"), [b"\0\x07\0", b"\1\x07\0", b"\2\x90\x1f", b"\3\x90\x1f"])
        self.client.send(b"\x00abc")
        self.client.send(b"\x02" + GET)
        self.client.send(b"\x09lost")
        self.client.send(b"")
        answers = [message.payload for message in self.client.messages()]
        self.assertEqual(answers[0], b"\x00abc")
        self.assertTrue(answers[-1].endswith(b"pod web of cluster east\n"))

    def test_nothing_listens(self) -> None:
        self.assertIn(b"connection refused", self.payloads("81")[-1])

    def test_ports_refused(self) -> None:
        for ports in ("", "x", "0", "65536", "7,,8", ",".join(["7"] * 65)):
            client = self.world.websocket(f"/portforward?ports={ports}", "v4.channel.k8s.io")
            self.assertIn(b" 400 ", client.head, ports)
