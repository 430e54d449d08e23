from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.groups import authenticated
from clustergateway.model.identity import ANONYMOUS, Identity


class AuthenticatedTests(SynchronousTestCase):
    def test_added_last(self) -> None:
        self.assertEqual(authenticated(Identity("a", ("b",))).groups, ("b", "system:authenticated"))

    def test_left_alone(self) -> None:
        for who in (
            ANONYMOUS,
            Identity("system:anonymous"),
            Identity("a", ("system:authenticated", "b")),
            Identity("a", ("system:unauthenticated",)),
        ):
            self.assertIs(authenticated(who), who)
