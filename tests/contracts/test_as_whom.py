"""
Contracts: on a real kube-apiserver, with the rights that C{clustergateway rbac} prints and no others, the header lines
that the gateway sends make exactly the identity that was decided, and no other can be had.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers

from clustergateway.errors import GatewayError
from clustergateway.kube.https import Whole
from clustergateway.model.exchange import Static, first_match
from clustergateway.model.exchangeconfig import parse_global
from clustergateway.model.identity import AUTHENTICATED_GROUP, Identity
from clustergateway.model.impersonation import ImpersonationPolicy, impersonation_lines
from clustergateway.model.rbac import Callers, manifests, needs

from .real import RealWorld, _running
from .world import Api, ClientTls

reactor: Any = _reactor

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
RULES = """
spec:
  clientIdentityExchanger:
    rules:
    - name: readers
      type: StaticMappingIdentityExchanger
      source: {userPattern: ^r}
      target: {user: "jürgen", groups: [view, a b, c, d, e], uid: "7"}
    - name: deploy
      type: StaticMappingIdentityExchanger
      source: {user: ci}
      target: {user: "system:serviceaccount:default:deployer"}
"""
READER = Identity("jürgen", ("view", "a b", "c", "d", "e", AUTHENTICATED_GROUP), "7")
JANE = Identity(
    "jane", ("dev", AUTHENTICATED_GROUP), "42", (("example.com/a", ("x", "é\ty")), ("example.com/b", ("z",)))
)
ALL = ImpersonationPolicy(drop=())


class _AsWhom(TestCase):
    """
    @ivar constrained: the kind of rights that are granted.
    """

    constrained: bool
    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]  # trial awaits it  # type: ignore[override]
        world = RealWorld()
        await world.start()
        self.admin = Api(reactor, world)
        self.addCleanup(self.admin.close)
        server = _running[0]
        gateway = server.authority.client("gateway")
        tls = ClientTls(server.authority.certificate, gateway.certificate, gateway.key)
        self.agent = Agent(reactor, tls, pool=HTTPConnectionPool(reactor, persistent=False))
        self.url = world.url

    async def grant(self, callers: Callers) -> None:
        found = needs([parse_global(RULES)], "east", callers, self.constrained)
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "gateway"}
        for each in manifests(found, subject, "as-whom", ALL):
            metadata = each["metadata"]
            space = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
            path = f"{RBAC}{space}/{each['kind'].lower()}s"
            reply = await self.admin.call("POST", path, each)
            self.assertEqual(reply.code, 201, reply.body)
            self.addCleanup(self.admin.call, "DELETE", f"{path}/{metadata['name']}")

    async def ask(self, identity: Identity) -> Any:
        """Who the apiserver takes the gateway for with these header lines: an identity, or the reason for a refusal."""
        headers = Headers({"Content-Type": ["application/json"]})
        for line in impersonation_lines(identity, ALL):
            name, _, value = line.partition(b": ")
            headers.addRawHeader(name, value)
        body = Whole(b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}')
        response = await self.agent.request(b"POST", (self.url + REVIEW).encode(), headers, body)
        document = json.loads(await readBody(response))
        if response.code != 201:
            return document["reason"]
        user = document["status"]["userInfo"]
        extra = tuple((key, tuple(values)) for key, values in sorted(user.get("extra", {}).items()))
        return Identity(user["username"], tuple(user["groups"]), user.get("uid", ""), extra)

    async def settled(self, identity: Identity, expected: Any) -> None:
        """RBAC sees new roles a moment after they were made."""
        for _ in range(50):
            answer = await self.ask(identity)
            if answer == expected:
                return
            if answer not in ("Forbidden", expected):
                break
        self.assertEqual(answer, expected)

    async def test_whom_the_rules_name_and_nobody_else(self) -> None:
        await self.grant(Callers(anyone=False))
        rules = [parse_global(RULES)]
        reader, deployer = (first_match(rules, Identity(user), "east") for user in ("rudi", "ci"))
        assert reader is not None and isinstance(reader.target, Static)
        assert deployer is not None and isinstance(deployer.target, Static)
        await self.settled(reader.target.identity, READER)
        groups = ("system:serviceaccounts", "system:serviceaccounts:default", AUTHENTICATED_GROUP)
        await self.settled(deployer.target.identity, Identity("system:serviceaccount:default:deployer", groups))
        for other in (
            *(Identity("root"), Identity("jürgen", ("system:masters",)), Identity("jürgen", uid="8")),
            *(
                Identity("jürgen", extra=(("example.com/a", ("x",)),)),
                Identity("system:serviceaccount:kube-system:default"),
            ),
        ):
            self.assertEqual(await self.ask(other), "Forbidden", other)

    async def test_a_caller_as_is(self) -> None:
        await self.grant(Callers())
        await self.settled(JANE, JANE)

    async def test_what_cannot_travel_does_not(self) -> None:
        for user in ("", "a\nImpersonate-Group: system:masters", " jane"):
            self.assertRaises(GatewayError, impersonation_lines, Identity(user))


class PlainTests(_AsWhom):
    constrained = False


class ConstrainedTests(_AsWhom):
    """Impersonation under constraints, on by default since Kubernetes 1.36."""

    constrained = True


del _AsWhom
