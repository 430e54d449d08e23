"""Every Secret that the documentation and the sample manifests show is one that the gateway takes."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.manifest import documents
from clustergateway.model.secrets import gateway_from_secret

from .model.pki import authority, client

ROOT = Path(__file__).parent.parent
PLACEHOLDERS = {
    "REPLACE-WITH-THE-CA-BUNDLE": authority().certificate,
    "REPLACE-WITH-THE-CERTIFICATE": client().certificate,
    "REPLACE-WITH-ITS-KEY": client().key,
}


def filled(text: str) -> str:
    for placeholder, pem in PLACEHOLDERS.items():
        text = re.sub(
            f"^( *){placeholder}$",
            lambda match, pem=pem: match[1] + pem.decode().strip().replace("\n", "\n" + match[1]),  # type: ignore[misc]
            text,
            flags=re.MULTILINE,
        )
    return text


def secrets(text: str) -> list[dict[str, object]]:
    return [document for document in documents(filled(text)) if document["kind"] == "Secret"]


class SecretsTests(SynchronousTestCase):
    def test_pages(self) -> None:
        seen = 0
        for page in sorted((ROOT / "docs").glob("**/*.md")):
            for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
                if "cluster-credential-type" in block:
                    for secret in secrets(block):
                        seen += 1
                        self.assertIsNotNone(gateway_from_secret(secret), page)
        self.assertTrue(seen >= 4)

    def test_samples(self) -> None:
        samples = sorted((ROOT / "k8s" / "samples").glob("cluster-*.yaml"))
        self.assertTrue(samples)
        for sample in samples:
            for secret in secrets(sample.read_text()):
                self.assertIsNotNone(gateway_from_secret(secret), sample)
