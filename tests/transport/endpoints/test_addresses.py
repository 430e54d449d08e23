from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.transport.endpoints.addresses import Addresses


@implementer(IHostResolution)
class Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        raise AssertionError("nobody cancels")


@implementer(IHostnameResolver)
class Resolver:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.receivers: list[IResolutionReceiver] = []

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: object = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        self.receivers.append(resolutionReceiver)
        resolution: IHostResolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        return resolution

    def answer(self, *addresses: str) -> None:
        receiver = self.receivers.pop(0)
        for address in addresses:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, 0))
        receiver.resolutionComplete()


class AddressesTests(SynchronousTestCase):
    """Names with addresses that change."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.resolver = Resolver()
        self.addresses = Addresses(self.clock, self.resolver, fresh=30)

    def ask(self) -> Deferred[tuple[str, ...]]:
        return self.addresses.of("proxy")

    def test_in_order_without_repeats(self) -> None:
        asked = self.ask()
        self.resolver.answer("10.0.0.2", "fd00::1", "10.0.0.2")
        self.assertEqual(("10.0.0.2", "fd00::1"), self.successResultOf(asked))

    def test_addresses_are_their_own_names(self) -> None:
        for address in ("10.0.0.1", "fd00::1"):
            self.assertEqual((address,), self.successResultOf(self.addresses.of(address)))

    def test_asked_once_at_a_time(self) -> None:
        asked = [self.ask(), self.ask()]
        self.assertEqual(1, len(self.resolver.receivers))
        asked[0].cancel()
        self.failureResultOf(asked[0])
        self.resolver.answer("10.0.0.1")
        self.assertEqual(("10.0.0.1",), self.successResultOf(asked[1]))

    def test_fresh_answers_are_used(self) -> None:
        self.ask()
        self.resolver.answer("10.0.0.1")
        self.clock.advance(29)
        self.successResultOf(self.ask())
        self.clock.advance(2)
        asked = self.ask()
        self.resolver.answer("10.0.0.2")
        self.assertEqual(("10.0.0.2",), self.successResultOf(asked))

    def test_doubted_answers_are_not(self) -> None:
        self.ask()
        self.resolver.answer("10.0.0.1")
        self.addresses.doubt("proxy")
        self.assertNoResult(self.ask())

    def test_a_resolver_that_fails_later(self) -> None:
        self.ask()
        self.resolver.answer("10.0.0.1")
        self.clock.advance(31)
        asked = self.ask()
        self.resolver.answer()
        self.assertEqual(("10.0.0.1",), self.successResultOf(asked))

    def test_no_address(self) -> None:
        asked = self.ask()
        self.resolver.answer()
        self.failureResultOf(asked, DNSLookupError)
