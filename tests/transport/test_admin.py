"""Tests for L{clustergateway.transport.admin}."""

from __future__ import annotations

import os
import stat
from typing import Any

import yaml
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.gateway import CertificateCredential
from clustergateway.model.kubeconfig import parse_kubeconfig
from clustergateway.model.x509 import DAY, KeyPair, certificates, issued_by
from clustergateway.transport.admin import client_authority, write_kubeconfig

from ..model.pki import NOW, authority

SERVER = "https://localhost:9443"
TRUST = authority().certificate


class KubeconfigTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        self.authority = client_authority(self.folder, NOW)
        self.path = os.path.join(self.folder, "kubeconfig")

    def write(self, *clusters: str, now: float = NOW, authority: KeyPair | None = None) -> None:
        write_kubeconfig(self.path, authority or self.authority, SERVER, TRUST, clusters, now)

    def read(self) -> dict[str, Any]:
        with open(self.path) as stream:
            config = yaml.safe_load(stream)
        assert isinstance(config, dict)
        return config

    def certificate(self) -> bytes:
        credential = parse_kubeconfig(self.read(), "/", _none).gateways[0].credential
        assert isinstance(credential, CertificateCredential)
        return credential.certificate

    def test_an_admin(self) -> None:
        self.write("east")
        leaf = certificates(self.certificate(), "it")[0]
        self.assertEqual(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, "admin")
        groups = [name.value for name in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        self.assertEqual(groups, ["system:masters"])
        self.assertTrue(issued_by(self.certificate(), self.authority.certificate))

    def test_owner_alone(self) -> None:
        self.write()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_written_again_keeps_certificate_and_current_context(self) -> None:
        self.write("east", "west")
        first, config = self.certificate(), self.read()
        config["current-context"] = "west"
        with open(self.path, "w") as stream:
            yaml.safe_dump(config, stream)
        self.write("west", "north")
        self.assertEqual(self.certificate(), first)
        self.assertEqual([each["name"] for each in self.read()["contexts"]], ["cluster-gateway", "west", "north"])
        self.assertEqual(self.read()["current-context"], "west")

    def test_certificate_made_anew(self) -> None:
        self.write()
        first = self.certificate()
        self.write(now=NOW + 340 * DAY)
        second = self.certificate()
        self.assertNotEqual(second, first)
        self.write(authority=authority("another"), now=NOW + 340 * DAY)
        self.assertTrue(issued_by(self.certificate(), authority("another").certificate))

    def test_damaged_user(self) -> None:
        self.write()
        config = self.read()
        config["users"][0]["user"] = {"client-certificate-data": 7}
        with open(self.path, "w") as stream:
            yaml.safe_dump(config, stream)
        self.write()
        self.assertTrue(issued_by(self.certificate(), self.authority.certificate))

    def test_anothers_is_left_alone(self) -> None:
        for content in (b"users:\n- name: me\n", b"[1]", b"a: [", b"users: 7"):
            with open(self.path, "wb") as stream:
                stream.write(content)
            self.assertRaises(ConfigurationError, self.write)
            with open(self.path, "rb") as stream:
                self.assertEqual(stream.read(), content)

    def test_empty_file_is_filled(self) -> None:
        with open(self.path, "wb"):
            pass
        self.write()
        self.assertEqual(self.read()["kind"], "Config")

    def test_not_to_be_written(self) -> None:
        self.path = os.path.join(self.folder, "nowhere", "kubeconfig")
        error = self.assertRaises(ConfigurationError, self.write)
        self.assertIn("cannot be written: No such file or directory", error.message)

    def test_authority_is_kept(self) -> None:
        self.assertEqual(client_authority(self.folder, NOW), self.authority)


def _none(path: str) -> bytes:
    raise AssertionError(path)
