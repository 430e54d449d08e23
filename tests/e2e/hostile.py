"""What the tests of a gateway among enemies have in common."""

from __future__ import annotations

from .scripted import CLIENT_TOKEN, SECONDS, Gateway, ScriptedTestCase, said, shared_gateway

CHUNKED = "Transfer-Encoding: chunked"
BUSY = 'clustergateway_upstream_connections{cluster="east",state="busy"}'
IDLE = BUSY.replace("busy", "idle")
MIB = 1 << 20


class Hostile(ScriptedTestCase):
    """
    @cvar mode: of TLS, in the gateway.
    @cvar flags: of the gateway.
    """

    mode = "merged"
    flags: tuple[str, ...] = ()

    def find_gateway(self) -> Gateway:
        return shared_gateway(f"--tls-transport={self.mode}", *self.flags)

    def upstream_saw(self) -> list[bytes]:
        """What reached the cluster since this was asked last. A request of our own behind it shows that this is all."""
        code, _, body = self.gateway.ask("the-end")
        self.assertEqual((200, b"ok"), (code, body))
        seen: list[bytes] = []
        while not (found := self.east.requests.get(timeout=SECONDS)).startswith(b"GET /the-end "):
            seen.append(found)
        return seen

    def refused(self, data: bytes) -> int:
        """
        Send this: it is answered with a Status and the end of the connection, and nothing of it reaches a cluster.

        @return: the code.
        """
        client = self.client()
        try:
            client.send(data)
        except OSError:
            pass  # refused before all was sent
        code, fields, body = client.answer()
        self.assertEqual("close", fields.get("connection"), data[:60])
        self.assertEqual(code, said(body)["code"])
        self.assertNotIn(CLIENT_TOKEN, body.decode())
        client.close()
        return code
