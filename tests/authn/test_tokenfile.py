from __future__ import annotations

from twisted.internet.task import Clock
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.tokenfile import TokenFile
from clustergateway.errors import ConfigurationError
from clustergateway.model.identity import Identity


class TokenFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = FilePath(self.mktemp())
        self.path.setContent(b'\xef\xbb\xbfsecret,jane,7,"ops,dev"\n')
        self.file = TokenFile(self.path.path, self.clock)

    def test_known_and_unknown(self) -> None:
        self.file.start()
        self.assertEqual(
            self.file.judge("secret"), Identity("jane", ("ops", "dev", "system:authenticated"), "7", source="tokenfile")
        )
        self.assertIsNone(self.file.judge("other"))

    def test_changed_file(self) -> None:
        self.file.start()
        self.path.setContent(b"other,joe,8\n")
        self.clock.advance(1)
        self.assertIsNone(self.file.judge("secret"))
        self.assertIsNotNone(self.file.judge("other"))
        self.assertEqual(self.file.problems(), ())

    def test_broken_change_leaves_the_last_good(self) -> None:
        self.file.start()
        self.path.setContent(b"broken\n")
        self.clock.advance(1)
        self.assertIsNotNone(self.file.judge("secret"))
        self.assertIn("line 1", self.file.problems()[0])
        self.flushLoggedErrors()

    def test_unusable_at_start(self) -> None:
        for content in (b"broken", b"\xff\xfe,a,b"):
            self.path.setContent(content)
            self.assertRaises(ConfigurationError, self.file.start)
        self.assertRaises(ConfigurationError, TokenFile(self.mktemp(), self.clock).start)

    def test_stop(self) -> None:
        self.file.start()
        self.file.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
