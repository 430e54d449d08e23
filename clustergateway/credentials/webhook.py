"""Asks external identity exchangers, over https."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from ..errors import ConfigurationError, GatewayError, ServiceUnavailable
from ..kube.https import Whole
from ..model.expiring import ExpiringCache
from ..model.identity import Attributes, Identity
from ..model.identityreview import MAX_ANSWER, Answer, Webhook, decode_answer, encode_review

HOP = "identity-webhook"
REMEMBERED = 4096
"""Most answers remembered."""
PENDING = 256
"""Most questions under way; then callers are told to come back instead of queueing up."""

Agents = Callable[[bytes, bytes, bytes], IAgent]
_Question = tuple[Webhook, bytes]


class ReviewClient:
    """
    Asks each question once at a time, and again only when its answer has lost its worth. A failure is no answer: it is
    told to those who wait, and not remembered.
    """

    def __init__(self, agents: Agents, clock: IReactorTime) -> None:
        """
        @param agents: makes an agent from CA bundle, client certificate and key, all PEM.
        """
        self._agents = agents
        self._clock = clock
        self._answers: ExpiringCache[_Question, Answer] = ExpiringCache(REMEMBERED)
        self._waiting: dict[_Question, list[Deferred[Answer]]] = {}
        self._clients: dict[Webhook, tuple[object, HTTPClient]] = {}

    def ask(
        self, webhook: Webhook, who: Identity, cluster: str, rule: str, attributes: Attributes
    ) -> Answer | Deferred[Answer]:
        """
        @raise ServiceUnavailable: (or the Deferred fails with it) there is no answer.
        """
        question = (webhook, encode_review(who, cluster, rule, attributes))
        answer = self._answers.get(question, self._clock.seconds())
        if answer is not None:
            return answer
        waiting = self._waiting.get(question)
        if waiting is None:
            if len(self._waiting) >= PENDING:
                raise ServiceUnavailable("too many questions to identity webhooks are open", hop=HOP, retry_after=1)
            client = self._client(webhook)
            waiting = self._waiting[question] = []
            mine = self._wait(waiting)
            self._post(client, *question).addBoth(partial(self._answered, question))
            return mine
        return self._wait(waiting)

    def _wait(self, waiting: list[Deferred[Answer]]) -> Deferred[Answer]:
        # One who no longer waits is taken off the list; the question stays open for the others, and for the cache.
        mine: Deferred[Answer] = Deferred(waiting.remove)
        waiting.append(mine)
        return mine

    def _answered(self, question: _Question, result: Answer | Failure) -> None:
        if isinstance(result, Answer) and result.ttl:
            self._answers.put(question, result, self._clock.seconds() + result.ttl)
        waiting = self._waiting.pop(question)
        while waiting:
            each = waiting.pop(0)
            if isinstance(result, Answer):
                each.callback(result)
            else:
                each.errback(_converted(result))

    def _post(self, client: HTTPClient, webhook: Webhook, body: bytes) -> Deferred[Answer]:
        headers = Headers({"Content-Type": ["application/json"], "Accept": ["application/json"]})
        # A redirect would carry the caller's identity elsewhere.
        asked: Deferred[Any] = maybeDeferred(
            client.post, webhook.url, data=body, headers=headers, allow_redirects=False
        )
        asked.addCallback(_read)
        asked.addTimeout(webhook.timeout, self._clock, _late)
        return asked

    def _client(self, webhook: Webhook) -> HTTPClient:
        """The client for this webhook, a new one when one of its files changed."""
        names = (webhook.ca_file, webhook.cert_file, webhook.key_file)
        try:
            state = tuple(
                (found.st_mtime_ns, found.st_ino, found.st_size) for found in map(os.stat, filter(None, names))
            )
            known = self._clients.get(webhook)
            if known is not None and known[0] == state:
                return known[1]
            ca, cert, key = map(_contents, names)
            client = HTTPClient(self._agents(ca or webhook.ca, cert, key), data_to_body_producer=Whole)
        except OSError as error:
            raise ServiceUnavailable(
                f"a file of the identity webhook cannot be read: {error.strerror}", hop=HOP
            ) from None
        except ConfigurationError as error:
            raise ServiceUnavailable(f"the identity webhook cannot be asked: {error.message}", hop=HOP) from None
        if len(self._clients) >= REMEMBERED:
            self._clients.clear()
        self._clients[webhook] = state, client
        return client


def _contents(path: str) -> bytes:
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read()


def _read(response: Any) -> Deferred[Answer]:
    if response.code != 200:
        raise ServiceUnavailable(f"the identity webhook answered {response.code}", hop=HOP)
    body = _Body()
    response.deliverBody(body)
    return body.whole.addCallback(decode_answer)


class _Body(Protocol):
    """
    Collects an answer's body, up to its limit.

    @ivar whole: the body.
    """

    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred(self._hang_up)
        self._parts: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MAX_ANSWER:
            self._parts.append(data)
        elif not self.whole.called:
            self._hang_up()
            self.whole.errback(ServiceUnavailable(f"the identity webhook's answer is larger than {MAX_ANSWER} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(ServiceUnavailable("the identity webhook's answer broke off"))

    def _hang_up(self, _: object = None) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _late(_: object, seconds: float) -> Answer:
    raise ServiceUnavailable(f"the identity webhook did not answer within {seconds:g} seconds", retry_after=1)


def _converted(failure: Failure) -> GatewayError:
    error = failure.value
    if isinstance(error, GatewayError):
        return ServiceUnavailable(error.message, hop=HOP, retry_after=error.retry_after)
    reasons = [each.value for each in getattr(error, "reasons", ())]
    if any(isinstance(each, (SSL.Error, VerificationError)) for each in (error, *reasons)):
        message = "the TLS handshake with the identity webhook failed"
    elif isinstance(error, ConnectError):
        message = "the identity webhook cannot be reached"
    else:
        message = f"the identity webhook did not answer: {type(reasons[0] if reasons else error).__name__}"
    return ServiceUnavailable(message, hop=HOP, retry_after=1)
