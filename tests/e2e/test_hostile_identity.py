"""No header that a client sends is an identity to a cluster: the real process, over real TLS."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from .hostile import Hostile
from .scripted import CLIENT_TOKEN, CLUSTER_TOKEN
from .scripted import request as ask

IDENTITY = (
    "X-Remote-User: system:admin",
    "X-Remote-Group: system:masters",
    "X-Remote-Uid: 0",
    "X-Remote-Extra-Scopes: all",
    "x-REMOTE-user: root",
    "X_Remote_User: root",
    "X-Remote_User: root",
    "X_Remote-Group: system:masters",
    "Impersonate-User: root",
    "Impersonate-Group: system:masters",
    "Impersonate-Uid: 0",
    "Impersonate-Extra-a: b",
    "Impersonate_User: root",
    "impersonate_group: system:masters",
    "Cookie: session=1",
    "Proxy-Authorization: Basic cm9vdDpyb290",
    "X-Forwarded-For: 10.0.0.1",
    "X-Forwarded-User: root",
    "X_Forwarded_For: 10.0.0.1",
    "Forwarded: for=10.0.0.1",
    "X-Real-IP: 10.0.0.1",
    "Via: 1.1 evil",
    "TE: trailers",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    "Transfer_Encoding: chunked",
    "Content_Length: 5",
)


class Identities(Hostile):
    def heads(self, *lines: str) -> list[bytes]:
        """What a cluster is sent of a request with these lines, by the usual way and by an upgrade."""
        self.assertEqual(200, self.gateway.ask("x", *lines)[0])
        self.assertEqual(200, self.gateway.ask("x", "Upgrade: websocket", "Connection: Upgrade", *lines)[0])
        return self.upstream_saw()

    def test_no_header_of_the_client_is_an_identity_upstream(self) -> None:
        mine = f"Authorization: Bearer {CLUSTER_TOKEN}".encode()
        for head in self.heads("X-Kept: yes", *IDENTITY):
            [line, *fields, _, _] = head.split(b"\r\n")
            names = [field.partition(b":")[0].lower() for field in fields]
            upgrade = [b"connection", b"upgrade"] if b"upgrade" in names else []
            self.assertEqual([b"x-kept", *upgrade, b"host", b"authorization"], names)
            self.assertIn(mine, fields)
            self.assertNotIn(CLIENT_TOKEN.encode(), head)
            self.assertEqual(b"GET /x HTTP/1.1", line)

    def test_connection_takes_nothing_of_the_gateways_away(self) -> None:
        for options in (
            "Authorization",
            "close, authorization, x-remote-user",
            "keep-alive, Impersonate-User, Impersonate-Group",
            "X-Kept, cookie",
        ):
            self.assertEqual(200, self.gateway.ask("x", f"Connection: {options}", "X-Kept: yes", *IDENTITY)[0])
            [head] = self.upstream_saw()
            self.assertEqual(1, head.count(b"\r\nAuthorization: "))
            self.assertIn(f"\r\nAuthorization: Bearer {CLUSTER_TOKEN}\r\n".encode(), head)
            self.assertNotIn(b"mpersonate", head)
            self.assertNotIn(b"emote", head)
            self.assertNotIn(b"Connection", head)
        for options in ("Host", "content-length", "close, Transfer-Encoding"):
            self.assertEqual(400, self.refused(ask("x", f"Connection: {options}")))

    def test_a_token_among_the_websocket_protocols_stays_here(self) -> None:
        secret = "base64url.bearer.authorization.k8s.io." + urlsafe_b64encode(CLIENT_TOKEN.encode()).decode().rstrip(
            "="
        )
        line = f"Sec-WebSocket-Protocol: v5.channel.k8s.io, {secret}, v4.channel.k8s.io"
        data = ask("x", line, "Upgrade: websocket", "Connection: Upgrade")
        client = self.client()
        client.send(data)
        self.assertEqual(401, client.answer()[0], "two tokens are one too many")
        client.send(data.replace(f"Authorization: Bearer {CLIENT_TOKEN}\r\n".encode(), b""))
        self.assertEqual(200, client.answer()[0])
        [head] = self.upstream_saw()
        self.assertIn(b"\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\n", head)
        self.assertNotIn(secret.encode(), head)

    def test_http2_is_not_offered_to_a_cluster(self) -> None:
        """What h2c carries would be requests that nobody has read."""
        for offer in ("h2c", "H2C", "h2c, websocket", "websocket, h2c", "websocket,h2c "):
            lines = (f"Upgrade: {offer}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
            self.assertEqual(200, self.gateway.ask("x", *lines)[0])
            [head] = self.upstream_saw()
            self.assertNotIn(b"h2c", head.lower())
            self.assertNotIn(b"http2", head.lower())

    def test_the_names_of_headers_are_checked_before_anything_else(self) -> None:
        for line in ("X-Remote-User : root", "X-Remote-User\x0b: root", "X-Remote-User", "\x00X-Remote-User: root"):
            self.assertEqual(400, self.refused(ask("x", line)))
        self.assertEqual([], self.upstream_saw())


class IdentitiesOnStockTls(Identities):
    mode = "twisted"
