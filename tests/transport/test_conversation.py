"""Whole conversations, cut into pieces anywhere, with h11 as the client's and the cluster's understanding of HTTP."""

from __future__ import annotations

from dataclasses import dataclass

import h11
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.testing.wires import Wire

from .world import World


@dataclass(frozen=True)
class Turn:
    """One request and its answer."""

    method: bytes
    body: bytes
    chunked: bool
    code: int
    answer: bytes
    answer_chunked: bool
    interim: bool

    def request(self) -> bytes:
        lines = [b"%s /east/x HTTP/1.1" % self.method, b"Host: gw", b"X-Body: %d" % len(self.body)]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"".join(b"%x;e\r\n%c\r\n" % (1, byte) for byte in self.body) + b"0\r\nX-T: 1\r\n\r\n"
        else:
            body = self.body
            if body or self.method == b"POST":
                lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join([*lines, b"", body])


TURNS = st.builds(
    Turn,
    st.sampled_from([b"GET", b"HEAD", b"POST", b"DELETE"]),
    st.binary(max_size=30),
    st.booleans(),
    st.sampled_from([200, 204, 304, 404]),
    st.binary(max_size=40),
    st.booleans(),
    st.booleans(),
)


class Cluster(Protocol):
    """Answers what it is asked, in order, and notes what it understood."""

    transport: Wire

    def __init__(self, turns: list[Turn], understood: list[tuple[bytes, bytes]]) -> None:
        self.turns = turns
        self.understood = understood
        self.http = h11.Connection(h11.SERVER)
        self.method = b""
        self.body = b""

    def dataReceived(self, data: bytes) -> None:
        self.http.receive_data(data)
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self.method, self.body = event.method, b""
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.understood.append((self.method, self.body))
                self.reply(self.turns[len(self.understood) - 1])
                self.http.start_next_cycle()

    def reply(self, turn: Turn) -> None:
        if turn.interim:
            self.send(h11.InformationalResponse(status_code=103, headers=[]))
        framing = (
            (b"Transfer-Encoding", b"chunked") if turn.answer_chunked else (b"Content-Length", b"%d" % len(turn.answer))
        )
        fields = [] if turn.code == 204 else [framing]
        self.send(h11.Response(status_code=turn.code, headers=[(b"X-Id", b"%d" % len(self.understood)), *fields]))
        if turn.method != b"HEAD" and turn.code not in (204, 304):
            for byte in turn.answer:
                self.send(h11.Data(data=bytes([byte])))
        self.send(h11.EndOfMessage())

    def send(self, event: h11.Event) -> None:
        data = self.http.send(event)
        if data:
            self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        pass


class Conversations(SynchronousTestCase):
    @settings(max_examples=150, deadline=None)
    @given(st.lists(TURNS, min_size=1, max_size=4), st.data())
    def test_both_sides_understand(self, turns: list[Turn], data: st.DataObject) -> None:
        understood: list[tuple[bytes, bytes]] = []
        world = World(high_water=data.draw(st.sampled_from([20, 65536])))
        world.endpoint.accept = lambda: Cluster(turns, understood)
        client = world.client()
        sent = b"".join(turn.request() for turn in turns)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            world.send(client, sent[start:end])
        self.assertEqual([(turn.method, turn.body) for turn in turns], understood)
        self.assertEqual(self.expected(turns), self.read(client.received, turns))
        self.assertIsNone(client.lost)
        self.assertEqual([turn.code for turn in turns], [record.code for record in world.records])
        self.assertEqual([len(turn.body) for turn in turns], [record.bytes_in for record in world.records])
        self.assertEqual((0, 1), (world.pool.busy, world.pool.idle))

    def expected(self, turns: list[Turn]) -> list[tuple[int, bytes, bytes]]:
        return [
            (turn.code, b"%d" % number, b"" if turn.method == b"HEAD" or turn.code in (204, 304) else turn.answer)
            for number, turn in enumerate(turns, 1)
        ]

    def read(self, received: bytes, turns: list[Turn]) -> list[tuple[int, bytes, bytes]]:
        """Code, number and body of each answer, as a client understands them."""
        answers = []
        http = h11.Connection(h11.CLIENT)
        http.receive_data(received)
        for turn in turns:
            http.send(h11.Request(method=turn.method, target="/", headers=[("Host", "gw")]))
            http.send(h11.EndOfMessage())
            code, number, body = 0, b"", b""
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Response):
                    code, number = event.status_code, dict(event.headers)[b"x-id"]
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    self.assertIsInstance(event, h11.InformationalResponse)
            answers.append((code, number, body))
            http.start_next_cycle()
        return answers
