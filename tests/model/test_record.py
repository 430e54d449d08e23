"""Tests for L{clustergateway.model.record}."""

from __future__ import annotations

from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Forbidden
from clustergateway.model.identity import Claims, Identity
from clustergateway.model.record import Record

FORWARDED = Claims(forwarded=((b"x-forwarded-for", b"192.0.2.7"),))


def record() -> Record:
    return Record("GET", "/", 0.0, "10.0.0.1")


class RecordTests(SynchronousTestCase):
    def test_only_a_front_proxy_is_believed(self) -> None:
        for source, expected in (("requestheader", ["192.0.2.7", "10.0.0.1"]), ("x509", ["10.0.0.1"])):
            found = record()
            found.sent_by(Identity("jane", source=source), FORWARDED)
            self.assertEqual((found.identity.user, found.addresses), ("jane", expected))

    def test_a_failure(self) -> None:
        for answered, code in ((True, 403), (False, 0)):
            error = Forbidden("no", cluster="east")
            error.rule = "partners"
            found = record()
            found.failed_with(error, answered=answered)
            self.assertEqual((found.cause, found.reason, found.rule), ("no", "Forbidden", "partners"))
            self.assertEqual((found.code, found.refusal is not None), (code, answered))

    def test_the_rule_that_applied_stays(self) -> None:
        found = record()
        found.rule = "readers"
        found.failed_with(Forbidden("no"), answered=True)
        self.assertEqual(found.rule, "readers")

    def test_an_error_is_not_kept(self) -> None:
        """With it its traceback would be, and all that is mentioned there: memory that a flood of refusals takes."""
        found = record()
        error = Forbidden("no")
        gone = ref(error)
        found.failed_with(error, answered=True)
        del error
        self.assertIsNone(gone())
