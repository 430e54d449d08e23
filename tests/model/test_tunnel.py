from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    ClusterUnavailable,
    GatewayError,
    UpstreamRefused,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnresolvable,
)
from clustergateway.model.konnectivity import (
    NO_AGENT,
    CloseDial,
    CloseRequest,
    CloseResponse,
    Data,
    DialRequest,
    DialResponse,
    Drain,
    Packet,
    Unknown,
)
from clustergateway.model.tunnel import (
    Action,
    Deliver,
    Finish,
    Linger,
    Lost,
    Opened,
    Refused,
    Retire,
    Send,
    State,
    TunnelLife,
    dial_error,
)

RANDOM, ID = 5, 7
LOST = UpstreamReset("the connection was lost")


class TunnelLifeTests(SynchronousTestCase):
    """Conversations."""

    def setUp(self) -> None:
        self.life = TunnelLife("c1:443", RANDOM)
        self.assertEqual([Send(DialRequest("c1:443", RANDOM))], self.life.dial())

    def open(self) -> None:
        self.assertEqual([Opened(ID)], self.life.received(DialResponse(RANDOM, ID)))

    def assertRefused(self, actions: list[Action], kind: type[GatewayError], elsewhere: bool) -> None:
        refused, *rest = actions
        assert isinstance(refused, Refused)
        self.assertIsInstance(refused.error, kind)
        self.assertEqual(elsewhere, refused.elsewhere)
        self.assertIn(rest, ([], [Finish()]))
        self.assertIs(State.DONE, self.life.state)

    def test_a_good_life(self) -> None:
        self.open()
        self.assertEqual([Deliver(b"x")], self.life.received(Data(ID, b"x")))
        self.assertEqual([Send(CloseRequest(ID)), Linger(), Lost()], self.life.close())
        self.assertEqual([], self.life.received(Data(ID, b"too late")))
        self.assertEqual([Finish()], self.life.received(CloseResponse(ID)))
        self.assertEqual([], self.life.close())

    def test_closed_by_the_far_end(self) -> None:
        self.open()
        self.assertEqual([Lost("eof"), Finish()], self.life.received(CloseResponse(ID, "eof")))

    def test_closed_by_a_request(self) -> None:
        self.open()
        self.assertEqual([Lost(), Finish()], self.life.received(CloseRequest(ID)))

    def test_refused(self) -> None:
        text = "dial tcp: connect: connection refused"
        self.assertRefused(self.life.received(DialResponse(RANDOM, error=text)), UpstreamRefused, False)

    def test_no_agent(self) -> None:
        self.assertRefused(self.life.received(DialResponse(RANDOM, error=NO_AGENT)), ClusterUnavailable, True)

    def test_an_answer_without_an_id(self) -> None:
        self.assertRefused(self.life.received(DialResponse(RANDOM)), UpstreamRefused, False)

    def test_an_answer_to_another(self) -> None:
        self.assertEqual([], self.life.received(DialResponse(RANDOM + 1, ID)))
        self.open()

    def test_a_second_answer(self) -> None:
        self.open()
        self.assertEqual([], self.life.received(DialResponse(RANDOM, ID + 1)))
        self.assertEqual([Deliver(b"x")], self.life.received(Data(ID, b"x")))

    def test_given_up_by_the_agent(self) -> None:
        self.assertEqual([], self.life.received(CloseDial(RANDOM + 1)))
        self.assertRefused(self.life.received(CloseDial(RANDOM)), UpstreamRefused, True)

    def test_given_up_by_the_agent_when_open(self) -> None:
        self.open()
        self.assertEqual([], self.life.received(CloseDial(RANDOM)))

    def test_closed_instead_of_answered(self) -> None:
        self.assertRefused(self.life.received(CloseResponse(0, "backend uninitialized")), UpstreamRefused, False)

    def test_cancelled(self) -> None:
        self.assertEqual([Send(CloseDial(RANDOM)), Linger()], self.life.close())
        self.assertEqual([Finish()], self.life.waited())

    def test_cancelled_too_late(self) -> None:
        self.life.close()
        self.assertEqual([Send(CloseRequest(ID))], self.life.received(DialResponse(RANDOM, ID)))
        self.assertEqual([Finish()], self.life.received(CloseResponse(ID)))

    def test_cancelled_and_refused(self) -> None:
        self.life.close()
        self.assertEqual([Finish()], self.life.received(DialResponse(RANDOM, error="no")))

    def test_the_stream_ends(self) -> None:
        self.assertRefused(self.life.stream_ended(LOST), UpstreamReset, True)

    def test_the_stream_ends_when_open(self) -> None:
        self.open()
        self.assertEqual([Lost(LOST.message)], self.life.stream_ended(LOST))
        self.assertEqual([], self.life.stream_ended(LOST))

    def test_drain(self) -> None:
        self.assertEqual([Retire()], self.life.received(Drain()))
        self.open()

    @given(
        st.lists(
            st.one_of(
                st.sampled_from(["close", "waited", "ended"]),
                st.builds(Data, st.sampled_from([0, ID, 8]), st.binary(max_size=2)),
                st.builds(DialResponse, st.sampled_from([RANDOM, 6]), st.sampled_from([0, ID, 8]), st.text(max_size=2)),
                st.builds(CloseResponse, st.sampled_from([0, ID, 8])),
                st.builds(CloseRequest, st.sampled_from([0, ID, 8])),
                st.builds(CloseDial, st.sampled_from([RANDOM, 6])),
                st.sampled_from([Drain(), Unknown(9)]),
            )
        )
    )
    def test_every_order(self, said: list[str | Packet]) -> None:
        life = TunnelLife("c1:443", RANDOM)
        actions = life.dial()
        for word in said:
            if isinstance(word, str):
                actions += {"close": life.close, "waited": life.waited, "ended": lambda: life.stream_ended(LOST)}[
                    word
                ]()
            else:
                actions += life.received(word)
        kinds = [type(action) for action in actions]
        self.assertLessEqual(kinds.count(Opened) + kinds.count(Refused), 1)
        self.assertLessEqual(kinds.count(Finish), 1)
        self.assertEqual(kinds.count(Lost), int(Opened in kinds and life.state is not State.OPEN))
        if Deliver in kinds:
            self.assertLess(kinds.index(Opened), kinds.index(Deliver))
            self.assertTrue(Lost not in kinds or kinds.index(Lost) > len(kinds) - 1 - kinds[::-1].index(Deliver))


class DialErrorTests(SynchronousTestCase):
    """The agent's words."""

    def test_waiting_is_not_advised(self) -> None:
        """Clients of Kubernetes would obey it ten times over before they say a word."""
        self.assertIsNone(dial_error("c1:443", NO_AGENT).retry_after)

    def test_words(self) -> None:
        for text, kind in (
            (NO_AGENT, ClusterUnavailable),
            ("dial tcp: lookup x on 10.0.0.1:53: no such host", UpstreamUnresolvable),
            ("dial tcp 10.0.0.1:443: i/o timeout", UpstreamTimeout),
            ("dial tcp 10.0.0.1:443: connect: connection timed out", UpstreamTimeout),
            ("dial tcp 10.0.0.1:443: connect: connection refused", UpstreamRefused),
        ):
            error = dial_error("c1:443", text)
            self.assertIs(kind, type(error))
            self.assertIn("c1:443", error.message)

    def test_what_cannot_be_shown(self) -> None:
        message = dial_error("c1:443", "a\nb\x1b" + "x" * 1000).message
        self.assertIn("a b ", message)
        self.assertLess(len(message), 400)
