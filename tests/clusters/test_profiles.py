"""Tests for L{clustergateway.clusters.profiles}."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.profiles import ProfileReader
from clustergateway.clusters.secrets import SecretReader
from clustergateway.errors import Forbidden, HubUnavailable, NotFound, UnknownCluster
from clustergateway.model.clusterprofile import cluster_of_profile
from clustergateway.model.gateway import ExecCredential, TokenCredential

from ..model.test_clusterprofile import PLUGINS, profile, provider
from .test_secrets import secret


class ProfileReaderTests(SynchronousTestCase):
    def reader(
        self, profiled: Deferred[Mapping[str, Any]], secrets: Deferred[Mapping[str, Any]] | None = None
    ) -> ProfileReader:
        first = SecretReader(lambda name: fail(NotFound("none")) if secrets is None else secrets)
        return ProfileReader(first.find, lambda name: profiled, partial(cluster_of_profile, plugins=PLUGINS))

    def test_found(self) -> None:
        found = self.successResultOf(self.reader(succeed(profile(provider()))).find("east"))
        self.assertEqual((found.endpoints[0].host, found.credential), ("east.example", ExecCredential("cloud-token")))

    def test_a_secret_counts_more(self) -> None:
        reader = self.reader(Deferred(), succeed(secret()))
        self.assertEqual(self.successResultOf(reader.find("east")).credential, TokenCredential("hunter2"))

    def test_nobody_knows_it(self) -> None:
        self.failureResultOf(self.reader(fail(NotFound("none"))).find("east"), UnknownCluster)
        self.failureResultOf(self.reader(succeed(profile(provider("other")))).find("east"), UnknownCluster)

    def test_broken(self) -> None:
        found = self.successResultOf(self.reader(succeed(profile(provider(server="nowhere")))).find("east"))
        self.assertIn("server", found.unroutable)

    def test_hub_does_not_tell(self) -> None:
        for error in (HubUnavailable("away"), Forbidden("no rights")):
            self.failureResultOf(self.reader(fail(error)).find("east"), HubUnavailable)
        self.failureResultOf(self.reader(succeed({}), fail(Forbidden("no"))).find("east"), HubUnavailable)
