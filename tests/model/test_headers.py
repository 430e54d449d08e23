from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model import headers


class Tables(SynchronousTestCase):
    def setUp(self) -> None:
        self.table = headers.request_table(BadRequest)

    def test_kinds(self) -> None:
        for name, kind in (
            (b"accept", headers.FORWARDED),
            (b"x-anything", headers.FORWARDED),
            (b"trailer", headers.FORWARDED),
            (b"authorization", headers.IDENTITY),
            (b"x-remote-extra-a", headers.IDENTITY),
            (b"impersonate-extra-b", headers.IDENTITY),
            (b"x-forwarded-uri", headers.DROPPED),
            (b"te", headers.DROPPED),
            (b"proxy-authorization", headers.DROPPED),
            (b"content_length", headers.DROPPED),
            (b"authorization_", headers.FORWARDED),
            (b"x-remote_user", headers.DROPPED),
        ):
            self.assertEqual(kind, self.table.kind(name), name)

    def test_answers_keep_what_only_requests_must_not_have(self) -> None:
        table = headers.response_table(BadRequest)
        for name in (b"set-cookie", b"via", b"x-forwarded-for", b"www-authenticate", b"host"):
            self.assertEqual(headers.FORWARDED, table.kind(name), name)

    def test_only_repeating_lines_without_secrets_are_remembered(self) -> None:
        for line in (b"Accept: a", b"Authorization: x", b"Cookie: x", b"Proxy-Authorization: x", b"X-Token: x"):
            self.table.classify(line)
        self.table.classify(b"Accept: " + b"x" * 1000)
        self.assertEqual({b"Accept: a": headers.FORWARDED}, self.table.known)

    def test_memory_is_bounded(self) -> None:
        for number in range(10_000):
            self.table.classify(b"Accept: %d" % number)
        self.assertLess(len(self.table.known), 5000)

    def test_value_and_name(self) -> None:
        self.assertEqual((b"x-a", b"b: c"), (headers.name(b"X-A: \tb: c "), headers.value(b"X-A: \tb: c ")))
