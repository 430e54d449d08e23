"""Asks external identity exchangers, over https."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from ..errors import ConfigurationError, GatewayError, HubUnavailable, ServiceUnavailable
from ..kube.body import read_body
from ..kube.https import Whole
from ..kube.singleflight import SharedAnswers
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
        self._answers: SharedAnswers[_Question, Answer] = SharedAnswers(clock, lambda answer: answer.ttl, REMEMBERED)
        self._open = 0
        self._clients: dict[Webhook, tuple[object, HTTPClient]] = {}

    def ask(
        self, webhook: Webhook, who: Identity, cluster: str, rule: str, attributes: Attributes
    ) -> Answer | Deferred[Answer]:
        """
        @raise ServiceUnavailable: (the Deferred fails with it) there is no answer.
        """
        question = (webhook, encode_review(who, cluster, rule, attributes))
        return self._answers.get(question, partial(self._ask, *question))

    def _ask(self, webhook: Webhook, body: bytes) -> Deferred[Answer]:
        if self._open >= PENDING:
            return fail(ServiceUnavailable("too many questions to identity webhooks are open", hop=HOP, retry_after=1))
        self._open += 1
        return maybeDeferred(self._post, webhook, body).addBoth(self._answered)

    def _answered(self, result: Answer | Failure) -> Answer:
        self._open -= 1
        if isinstance(result, Failure):
            raise _converted(result)
        return result

    def _post(self, webhook: Webhook, body: bytes) -> Deferred[Answer]:
        headers = Headers({"Content-Type": ["application/json"], "Accept": ["application/json"]})
        # A redirect would carry the caller's identity elsewhere.
        asked: Deferred[Any] = self._client(webhook).post(
            webhook.url, data=body, headers=headers, allow_redirects=False
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
    return read_body(response, MAX_ANSWER).addCallbacks(decode_answer, _broken)


def _broken(failure: Failure) -> Answer:
    if failure.check(HubUnavailable):
        raise ServiceUnavailable("the identity webhook's answer broke off or is too large")
    return failure  # type: ignore[return-value]  # it goes on


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
