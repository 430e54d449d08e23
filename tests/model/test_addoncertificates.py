from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addoncertificates import (
    AUTHORITY_LIFETIME,
    SERVING_LIFETIME,
    Signer,
    next_look,
    rotation_due,
    secret_data,
    serving,
    serving_data,
    signer,
    signer_data,
)
from clustergateway.model.x509 import DAY, issued_by

from .pki import NOW

NAMES = ("gateway", "gateway.n.svc")


def stored(found: Signer) -> dict[str, Any]:
    return {"data": signer_data(found)}


class SignerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.first, self.made = signer(None, NOW)

    def test_made_and_kept(self) -> None:
        self.assertTrue(self.made)
        self.assertEqual(signer(stored(self.first), NOW + 100 * DAY), (self.first, False))

    def test_rotated_with_overlap(self) -> None:
        second, changed = signer(stored(self.first), NOW + 0.81 * AUTHORITY_LIFETIME)
        self.assertTrue(changed)
        self.assertEqual(second.bundle, second.pair.certificate + self.first.pair.certificate)
        self.assertNotEqual(second.pair.certificate, self.first.pair.certificate)
        again, changed = signer(stored(second), NOW + 0.82 * AUTHORITY_LIFETIME)
        self.assertEqual((again, changed), (second, False))

    def test_ended_one_is_dropped(self) -> None:
        second, _ = signer(stored(self.first), NOW + 0.81 * AUTHORITY_LIFETIME)
        later, changed = signer(stored(second), NOW + 1.01 * AUTHORITY_LIFETIME)
        self.assertEqual((later.bundle, later.pair, changed), (second.pair.certificate, second.pair, True))

    def test_key_of_another(self) -> None:
        other, _ = signer(None, NOW)
        data = {**signer_data(self.first), "ca.key": signer_data(other)["ca.key"]}
        found, changed = signer({"data": data}, NOW)
        self.assertTrue(changed)
        self.assertIn(self.first.pair.certificate, found.bundle, "what is out there is still trusted")

    @settings(max_examples=25, deadline=None)
    @given(st.dictionaries(st.sampled_from(("ca.crt", "ca.key")), st.text() | st.none() | st.integers()))
    def test_whatever_is_there(self, data: dict[str, Any]) -> None:
        found, changed = signer({"data": data}, NOW)
        self.assertTrue(changed)
        self.assertEqual(signer(stored(found), NOW), (found, False))


class ServingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.signer, _ = signer(None, NOW)
        self.pair, self.made = serving(None, self.signer, NAMES, NOW)
        self.secret = {"data": serving_data(self.pair, self.signer)}

    def test_made_and_kept(self) -> None:
        self.assertTrue(self.made)
        self.assertEqual(serving(self.secret, self.signer, NAMES, NOW + 100 * DAY), (self.pair, False))

    def test_reasons_for_another(self) -> None:
        other, _ = signer(None, NOW)
        for authority, names, now in (
            (self.signer, NAMES, NOW + 0.81 * SERVING_LIFETIME),
            (self.signer, (*NAMES, "more"), NOW),
            (other, NAMES, NOW),
        ):
            pair, changed = serving(self.secret, authority, names, now)
            self.assertTrue(changed)
            self.assertNotEqual(pair.certificate, self.pair.certificate)
            self.assertTrue(issued_by(pair.certificate, authority.pair.certificate))

    def test_bundle_alone(self) -> None:
        """A CA more is written beside the same certificate."""
        later = Signer(self.signer.pair, self.signer.bundle + self.signer.bundle)
        self.assertEqual(serving(self.secret, later, NAMES, NOW), (self.pair, True))

    def test_next_look(self) -> None:
        seconds = next_look(self.signer, self.pair, NOW)
        self.assertEqual(seconds, rotation_due(self.pair.certificate) - NOW)
        self.assertEqual(round(seconds / DAY), 144)
        self.assertEqual(next_look(self.signer, self.pair, NOW + 2 * AUTHORITY_LIFETIME), 1.0)


class SecretDataTests(SynchronousTestCase):
    def test_what_cannot_be_decoded_is_left_out(self) -> None:
        data: dict[str, Any] = {"a": "YQ==", "b": "%", "c": None, "d": 7}
        self.assertEqual(secret_data({"data": data}), {"a": b"a"})
        self.assertEqual((secret_data(None), secret_data({"data": "x"})), ({}, {}))
