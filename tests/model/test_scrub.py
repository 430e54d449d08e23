"""Tests for L{clustergateway.model.scrub}."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.gateway import ExecCredential
from clustergateway.model.scrub import scrub

from .pki import client

PLAIN = ExecCredential("x")


class ScrubTests(SynchronousTestCase):
    def test_plain_complaint(self) -> None:
        text = scrub(b"error: no such cluster\n  (404)\n", ExecCredential("x"))
        self.assertEqual(text, "error: no such cluster (404)")

    def test_environment_and_arguments(self) -> None:
        credential = ExecCredential(
            "x", ("--secret=hunter2-long", "positional", "--flag"), (("PASSWORD", "correct horse"),)
        )
        text = scrub(b"--flag hunter2-long: positional, correct horse!", credential)
        self.assertEqual(text, "--flag [redacted]: [redacted], [redacted]!")

    def test_looks_like_a_token(self) -> None:
        for token in (
            b"eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJpc3MiOi.c2lnbmF0dXJl",
            b"AKIAIOSFODNN7EXAMPLE",
            b"0123456789abcdef01234567",
        ):
            self.assertEqual(scrub(b"got " + token + b" from it", ExecCredential("x")), "got [redacted] from it")

    def test_one_line_of_printable_text(self) -> None:
        self.assertEqual(scrub(b"a\x1b[31mb\r\n\xff", ExecCredential("x")), "a [31mb \N{REPLACEMENT CHARACTER}")

    def test_the_end_is_kept(self) -> None:
        text = scrub(b"start " + b"word " * 100 + b"end", ExecCredential("x"), limit=20)
        self.assertEqual(text, "...d word word word end")

    @given(st.binary(max_size=200), st.text(min_size=6, max_size=20))
    def test_environment_never_shows(self, noise: bytes, value: str) -> None:
        secret = f"<{value}>"
        credential = ExecCredential("x", env=(("A", secret),))
        self.assertNotIn(secret, scrub(noise + secret.encode("utf-8", "surrogatepass") + noise, credential))

    def test_short_values_of_variables_called_secrets(self) -> None:
        credential = ExecCredential("x", env=(("DB_PASSWORD", "abc"), ("API_TOKEN", "q"), ("REGION", "eu")))
        self.assertEqual(
            scrub(b"tried abc and q in eu, abcd", credential), "tried [redacted] and [redacted] in eu, abcd"
        )

    def test_short_values_of_options_called_secrets(self) -> None:
        credential = ExecCredential("x", ("get", "--password=abc", "--client-secret", "def", "-v", "in"))
        self.assertEqual(
            scrub(b"get with abc, def in -v: abcd", credential), "get with [redacted], [redacted] in -v: abcd"
        )

    def test_a_value_that_is_part_of_the_mark(self) -> None:
        credential = ExecCredential("x", env=(("A", "swordfish"), ("B", "redacted"), ("MY_KEY", "acted")))
        self.assertEqual(scrub(b"swordfish, redacted, acted\0", credential), "[redacted], [redacted], [redacted]")

    def test_a_line_of_a_value(self) -> None:
        credential = ExecCredential("x", env=(("CONFIG", "user: bob\ncode: swordfish\n"),))
        self.assertEqual(scrub(b"bad line: code: swordfish", credential), "bad line: [redacted]")


class ShapeTests(SynchronousTestCase):
    def gone(self, secret: bytes, *around: bytes) -> None:
        for before in (b"got ", b"token: ", b"", b'{"x":"', b"a\n"):
            for after in (b"", b" back", b'"}', b".\n"):
                text = scrub(before + secret + after, PLAIN).encode()
                self.assertNotIn(secret, text)
                for part in secret.split():
                    self.assertNotIn(part, text)

    def test_base64(self) -> None:
        for secret in (
            b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            b"q83vEjRWeJ/q83vEj+RWeJCrze8SNFZ4==",
            b"/q83vEjRWeJ/q83vEjRWeJCrze8S/",
            b"abcdef.0123456789abcdef",
        ):
            self.gone(secret)

    def test_letters_only(self) -> None:
        for secret in (b"hXkQpLmNvRtYwZaBcDeFgHi", b"abcdefghijklmnopqrstuvwxyz", b"hXkQpLmNvRtY/ZaBcDeFgHi"):
            self.gone(secret)

    def test_jwt(self) -> None:
        for secret in (b"eyJhbGciOiJSUzI1.eyJpc3Mi.c2ln", b"eyJhbGciOiJub25lIn0.eyJhIjoxfQ.", b"eyJhbGciOi"):
            self.gone(secret)

    def test_pem(self) -> None:
        key = client().key
        for text in (key, key[30:], key[:-30], key.replace(b"\n", b"\\n"), b"a\n" + key + key):
            scrubbed = scrub(b"cannot parse:\n" + text, PLAIN)
            for line in key.splitlines()[1:-1]:
                for part in (line[:12], line[-12:]):
                    self.assertNotIn(part.decode(), scrubbed)
        self.assertEqual(scrub(b"key\n" + key + b"is bad", PLAIN), "key [redacted] is bad")

    def test_in_its_place(self) -> None:
        for text in (
            "pass=Tr0ub4dor&3",
            "password: codfish",
            "password codfish",
            "password is codfish.",
            "passwd='cod fish' for bob",
            'secret "cod fish" for bob',
            '{"token":"codfish"}',
            '{\\"token\\": \\"codfish\\"}',
            "AWS_SECRET_ACCESS_KEY=codfish",
            "?access_token=codfish&x=1",
            "token: token codfish",
            "key:codfish",
            "key=key",
            "Credentials: codfish",
            "Authorization: Bearer codfish",
            "Authorization: Digest a, codfish",
            "bearer codfish",
            "Set-Cookie: session=codfish; path=/",
            "https://bob:codfish@idp.example/",
            "https://codfish@idp.example/",
            "my_token codfish",
        ):
            scrubbed = scrub(text.encode(), PLAIN)
            for secret in ("cod", "fish", "Tr0ub4dor", "=key"):
                self.assertNotIn(secret, scrubbed)
            self.assertIn("[redacted]", scrubbed)

    def test_ordinary_complaints_stay_as_they_are(self) -> None:
        for text in (
            "error: no such cluster (404)",
            "Unable to locate credentials. You can configure credentials by running aws configure.",
            "The security token included in the request is invalid",
            "The SSO session associated with this profile has expired",
            "token expired",
            "Error: token is expired: refresh token not found in cache",
            "no token for https://idp.example.com:6443/realms/prod2/protocol/openid-connect/token",
            "failed to get token: Post https://idp.example.com/oauth2/token: dial tcp 10.0.0.7:443: i/o timeout",
            "/usr/local/lib/python3.11/site-packages/requests/adapters.py: No such file or directory",
            'File "/opt/Tools/AppData/login2/main.py", line 17, in main',
            "UnrecognizedClientException: the credential was rejected",
            "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the AssumeRole operation",
            "secret not found",
            "password required",
            "no key file at /etc/login/east.pem",
            "ModuleNotFoundError: No module named 'google'",
        ):
            self.assertEqual(scrub(text.encode(), PLAIN), text)

    @given(st.binary(min_size=24, max_size=60))
    def test_random_bytes_in_base64(self, secret: bytes) -> None:
        encoded = base64.b64encode(secret)
        scrubbed = scrub(b"said " + encoded + b" twice", PLAIN)
        # Bytes of one value, and the like, are as much a name as a secret.
        if len(set(secret)) > 12:
            self.assertNotIn(encoded.decode(), scrubbed)

    def test_costs_little(self) -> None:
        """Every pattern takes linear time, or the reactor would stand still."""
        for noise in (b"key", b"-----BEGIN ", b"-----END ", b"://a", b"token ", b'token="', b"eyJ.", b"aA/", b"Aa"):
            scrub((noise * 8192)[:8192], PLAIN)
