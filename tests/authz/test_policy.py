from __future__ import annotations

from twisted.internet.task import Clock
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authz.policy import PolicyAuthorizer
from clustergateway.errors import ConfigurationError
from clustergateway.model.identity import ANONYMOUS, Attributes, Identity
from clustergateway.model.policy import GROUP

JANE = Identity("jane")
EAST = Attributes("get", GROUP, "v1alpha1", "clustergateways", "proxy", name="east")
READ = Attributes("list", "", "v1", "pods")
WRITE = Attributes("create", "", "v1", "pods")
READER = b"rules: [{users: [jane], clusters: [east], readOnly: true}]"


class PolicyAuthorizerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = FilePath(self.mktemp())
        self.path.setContent(READER)
        self.authorizer = PolicyAuthorizer(self.clock, self.path.path)

    def may(self, inner: Attributes) -> bool:
        return self.authorizer.authorize_proxy(JANE, EAST, inner, False).allowed

    def test_no_file(self) -> None:
        authorizer = PolicyAuthorizer(self.clock)
        authorizer.start()
        self.assertTrue(authorizer.authorize_proxy(JANE, EAST, WRITE, False).allowed)
        self.assertTrue(authorizer.authorize(JANE, Attributes("get", path="/metrics")).allowed)
        self.assertFalse(authorizer.authorize_proxy(ANONYMOUS, EAST, READ, False).allowed)
        self.assertEqual(authorizer.problems(), ())
        authorizer.stop()

    def test_file(self) -> None:
        self.authorizer.start()
        self.assertEqual((self.may(READ), self.may(WRITE)), (True, False))
        self.assertFalse(self.authorizer.authorize(JANE, Attributes("get", path="/metrics")).allowed)

    def test_another_cluster(self) -> None:
        self.authorizer.start()
        west = Attributes("get", GROUP, "v1alpha1", "clustergateways", "proxy", name="west")
        decision = self.authorizer.authorize_proxy(JANE, west, READ, False)
        self.assertFalse(decision.allowed)
        self.assertIn('"west" is forbidden', decision.reason)

    def test_changed(self) -> None:
        self.authorizer.start()
        self.path.setContent(b"rules: []")
        self.clock.advance(1)
        self.assertFalse(self.may(READ))

    def test_broken_change_leaves_the_last_good(self) -> None:
        self.authorizer.start()
        self.path.setContent(b"rules: [{}]")
        self.clock.advance(1)
        self.assertTrue(self.may(READ))
        self.assertIn("rules[0]", self.authorizer.problems()[0])

    def test_unusable_at_start(self) -> None:
        for content in (b"\xff", b"no"):
            self.path.setContent(content)
            self.assertRaises(ConfigurationError, self.authorizer.start)

    def test_stop(self) -> None:
        self.authorizer.start()
        self.authorizer.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
