from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.resourcetype import ACCESS_REVIEWS, LEASES, SECRETS


class PathTests(SynchronousTestCase):
    def test_paths(self) -> None:
        for path, wanted in (
            (SECRETS.path(), "/api/v1/secrets"),
            (SECRETS.path(namespace="ns"), "/api/v1/namespaces/ns/secrets"),
            (SECRETS.path("a", "ns"), "/api/v1/namespaces/ns/secrets/a"),
            (LEASES.path("a", "ns", "status"), "/apis/coordination.k8s.io/v1/namespaces/ns/leases/a/status"),
            (ACCESS_REVIEWS.path(), "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
            (SECRETS.path("a/../b", "n s"), "/api/v1/namespaces/n%20s/secrets/a%2F..%2Fb"),
        ):
            self.assertEqual(path, wanted)

    def test_api_version(self) -> None:
        self.assertEqual((SECRETS.api_version, LEASES.api_version), ("v1", "coordination.k8s.io/v1"))

    def test_nonsense(self) -> None:
        self.assertRaises(ValueError, SECRETS.path, "a")
        self.assertRaises(ValueError, ACCESS_REVIEWS.path, "", "ns")
        self.assertRaises(ValueError, SECRETS.path, "", "ns", "status")
