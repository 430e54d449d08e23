from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IResponse

from clustergateway.kube.lease import LeaderElection
from clustergateway.testing.hub import Answer, Asked, FakeHub, refuse, reply, silence, status

METADATA = {"resourceVersion": "99", "name": "manager", "namespace": "vela"}


class LeaseServer:
    """One Lease, with the apiserver's rules for changing it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down: Answer | None = None

    def __call__(self, asked: Asked) -> Deferred[IResponse]:
        if self.down is not None:
            return self.down(asked)
        if asked.method == "GET":
            return (status(404, "NotFound") if self.lease is None else reply(200, self.lease))(asked)
        if asked.method == "POST" and self.lease is not None:
            return status(409, "AlreadyExists")(asked)
        if asked.method == "PUT":
            assert self.lease is not None
            if asked.body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                return status(409, "Conflict")(asked)
        self.version += 1
        self.lease = json.loads(json.dumps(asked.body))
        assert self.lease is not None
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return reply(200, self.lease)(asked)


class LeaderElectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.server = LeaseServer()
        self.hub = FakeHub(otherwise=self.server)
        self.told: list[str] = []

    def elect(self, name: str) -> LeaderElection:
        election = LeaderElection(
            self.hub.client(self.clock),
            self.clock,
            lambda: 0.0,
            "vela",
            "manager",
            name,
            lambda: self.told.append(f"+{name}"),
            lambda: self.told.append(f"-{name}"),
        )
        election.start()
        return election

    def pass_time(self, seconds: int) -> None:
        self.clock.pump([0.5] * (2 * seconds))

    def spec(self) -> dict[str, Any]:
        assert self.server.lease is not None
        spec: dict[str, Any] = self.server.lease["spec"]
        return spec

    def test_first_makes_the_lease(self) -> None:
        self.elect("a")
        self.assertEqual(self.told, ["+a"])
        self.assertEqual(
            self.spec(),
            {
                "holderIdentity": "a",
                "leaseDurationSeconds": 15,
                "acquireTime": "2023-11-14T22:13:20.000000Z",
                "renewTime": "2023-11-14T22:13:20.000000Z",
                "leaseTransitions": 0,
            },
        )

    def test_holder_renews_and_stays(self) -> None:
        self.elect("a")
        self.elect("b")
        self.pass_time(300)
        self.assertEqual(self.told, ["+a"])
        self.assertEqual(self.spec()["acquireTime"], "2023-11-14T22:13:20.000000Z")
        self.assertEqual(self.spec()["leaseTransitions"], 0)

    def test_release(self) -> None:
        first = self.elect("a")
        self.elect("b")
        self.successResultOf(Deferred.fromCoroutine(first.stop()))
        self.assertEqual((self.told, first.leading), (["+a", "-a"], False))
        self.pass_time(3)
        self.assertEqual(self.told, ["+a", "-a", "+b"])
        self.assertEqual(self.spec()["leaseTransitions"], 1)

    def test_dead_holder_is_followed_after_its_time(self) -> None:
        self.elect("a")
        self.told.clear()
        dead = dict(self.spec(), holderIdentity="dead")
        self.server.lease = {"metadata": METADATA, "spec": dead}
        self.pass_time(2)
        self.assertEqual(self.told, ["-a"])
        self.pass_time(14)
        self.assertEqual(self.told, ["-a"])
        self.pass_time(5)
        self.assertEqual(self.told, ["-a", "+a"])

    def test_clocks_are_not_compared(self) -> None:
        """A holder whose clock is years behind is alive as long as it renews."""
        self.server.lease = {
            "metadata": METADATA,
            "spec": {"holderIdentity": "slow", "renewTime": "1999-01-01T00:00:00.000000Z", "leaseDurationSeconds": 15},
        }
        self.elect("a")
        for second in range(60):
            self.spec()["renewTime"] = f"1999-01-01T00:00:{second:02}.000000Z"
            self.pass_time(1)
        self.assertEqual(self.told, [])

    def test_cut_off_holder_gives_up_before_anybody_may_follow(self) -> None:
        election = self.elect("a")
        for down in (refuse, silence, status(500, "InternalError")):
            self.told.clear()
            self.server.down = down
            self.pass_time(11)
            self.assertEqual((self.told, election.leading), (["-a"], False))
            self.server.down = None
            self.pass_time(15)
            self.assertEqual(self.told, ["-a", "+a"])

    def test_one_of_two_who_come_at_once(self) -> None:
        self.server.down = refuse
        self.elect("a")
        self.elect("b")
        self.server.down = None
        self.pass_time(30)
        self.assertEqual(len(self.told), 1)

    def test_lost_race(self) -> None:
        """The lease changed between reading and writing it."""
        self.hub.answers = [status(404, "NotFound"), status(409, "AlreadyExists")]
        election = self.elect("a")
        self.assertFalse(election.leading)
        self.pass_time(3)
        self.assertTrue(election.leading)

    def test_odd_lease(self) -> None:
        for spec in (None, {}, {"holderIdentity": None, "leaseTransitions": "x", "leaseDurationSeconds": "x"}):
            self.told.clear()
            self.server.lease = {"metadata": METADATA, "spec": spec}
            election = self.elect("a")
            self.assertEqual(self.told, ["+a"])
            self.successResultOf(Deferred.fromCoroutine(election.stop()))

    def test_stop_leaves_nothing_behind(self) -> None:
        for down in (None, silence, refuse):
            self.server.down = down
            election = self.elect("a")
            stopped = Deferred.fromCoroutine(election.stop())
            self.successResultOf(stopped)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hub_away_at_the_end(self) -> None:
        election = self.elect("a")
        self.server.down = refuse
        self.successResultOf(Deferred.fromCoroutine(election.stop()))
        self.assertEqual(self.told, ["+a", "-a"])
