"""
A webhook for ExternalIdentityExchanger rules: employees of partners enter clusters as a user of their company.

    python examples/identity_webhook.py 8443 server.crt server.key client-ca.crt

It answers only clients with a certificate from client-ca.crt; the gateway has to be one of them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet import endpoints, ssl, task
from twisted.internet.defer import Deferred
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

COMPANIES = {"partner.example": "partner", "supplier.example": "supplier"}


def decide(spec: dict[str, Any]) -> dict[str, Any]:
    """
    @param spec: of a ClientIdentityReview: who asks, and for what.
    @return: its status.
    """
    name, _, domain = spec["user"].partition("@")
    company = COMPANIES.get(domain)
    if company is None:
        return {"allowed": False, "reason": f"nobody knows {domain}", "ttlSeconds": 60}
    return {
        "allowed": True,
        "user": f"{company}:{name}",
        "groups": [f"company:{company}"],
        "extra": {"example.com/asked-for": [spec["cluster"]]},
        "ttlSeconds": 300,
    }


class Webhook(Resource):
    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        assert request.content is not None
        review = json.load(request.content)
        request.setHeader("Content-Type", "application/json")
        answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "status": decide(review["spec"])}
        return json.dumps(answer).encode()


def main(reactor: Any, port: str, certificate: str, key: str, client_ca: str) -> Deferred[None]:
    with open(certificate, "rb") as first, open(key, "rb") as second, open(client_ca, "rb") as third:
        own = ssl.PrivateCertificate.loadPEM(first.read() + second.read())
        options = own.options(ssl.Certificate.loadPEM(third.read()))
    endpoints.SSL4ServerEndpoint(reactor, int(port), options).listen(Site(Webhook()))
    return Deferred()


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
