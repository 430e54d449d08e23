from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.trust import HubTrust
from clustergateway.errors import ConfigurationError
from clustergateway.model.trust import Trust
from clustergateway.testing.hub import Answer, Body, FakeHub, refuse, reply, stream


def config_map(version: str = "1", **data: Any) -> dict[str, Any]:
    metadata = {"name": "extension-apiserver-authentication", "namespace": "kube-system", "resourceVersion": version}
    return {"metadata": metadata, "data": data}


def listing(*items: dict[str, Any]) -> Answer:
    return reply(200, {"metadata": {"resourceVersion": "5"}, "items": list(items)})


USERS = {"client-ca-file": "users"}


class HubTrustTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.body = Body()
        self.used: list[Trust] = []

    def use(self, trust: Trust) -> None:
        if trust.client_ca == b"unusable":
            raise ConfigurationError("not PEM")
        self.used.append(trust)

    def begin(self, *answers: Answer) -> None:
        self.hub = FakeHub(*answers)
        self.trust = HubTrust(self.hub.client(self.clock), self.clock, lambda: 0.0, self.use)
        self.trust.start()

    def test_taken_into_use(self) -> None:
        self.begin(listing(config_map(**USERS)), stream(self.body))
        self.assertEqual(self.used, [Trust(b"users")])
        self.assertEqual(self.hub.asked[0].path, "/api/v1/namespaces/kube-system/configmaps")
        self.assertEqual(self.hub.asked[0].query["fieldSelector"], "metadata.name=extension-apiserver-authentication")
        self.successResultOf(self.trust.when_synced())
        self.assertEqual(self.trust.problems(), ())

    def test_changed(self) -> None:
        self.begin(listing(config_map(**USERS)), stream(self.body))
        self.body.event("MODIFIED", **config_map("6", **USERS))
        self.body.event("MODIFIED", **config_map("7", **{"client-ca-file": "others"}))
        self.assertEqual(self.used, [Trust(b"users"), Trust(b"others")])

    def test_unusable_change_leaves_the_last_good(self) -> None:
        self.begin(listing(config_map(**USERS)), stream(self.body))
        for version, data in (("6", {"client-ca-file": "unusable"}), ("7", {"client-ca-file": 1})):
            self.body.event("MODIFIED", **config_map(version, **data))
            self.assertEqual(self.used, [Trust(b"users")])
            self.assertIn("cannot be used", self.trust.problems()[0])
        self.body.event("MODIFIED", **config_map("8", **USERS))
        self.assertEqual(self.trust.problems(), ())

    def test_gone(self) -> None:
        self.begin(listing(config_map(**USERS)), stream(self.body))
        self.body.event("DELETED", **config_map("6", **USERS))
        self.assertEqual(self.used, [Trust(b"users")])
        self.assertIn("is gone", self.trust.problems()[0])

    def test_never_there(self) -> None:
        self.begin(listing(), stream(self.body))
        self.assertEqual(
            self.trust.problems(), ("the hub has no ConfigMap kube-system/extension-apiserver-authentication",)
        )

    def test_another_config_map_changes_nothing(self) -> None:
        """A server that ignores the field selector must not make another object trusted."""
        other = config_map(**USERS)
        other["metadata"]["name"] = "other"
        self.begin(listing(other), stream(self.body))
        self.body.event("DELETED", **other)
        self.assertEqual(self.used, [])

    def test_hub_away(self) -> None:
        self.begin(refuse)
        self.assertNoResult(self.trust.when_synced())
        self.assertIn("configmaps of the hub", self.trust.problems()[0])

    def test_stop(self) -> None:
        self.begin(listing(), stream(self.body))
        self.trust.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
