"""
A gateway that makes somebody else of its callers, beside a hub's own, for a suite that looks at who arrives: rules of
every type, a webhook over mutual TLS, and on the managed cluster the rights that C{clustergateway rbac} prints.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clustergateway.testing.certificates import Authority, Pair

from .hub import HubWorld, binding, cluster_secret, once, rule
from .hub_processes import NAMESPACE, PATH, SECONDS, SERVICE, Caller, eventually

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW_BODY = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
RULES = """
apiVersion: cluster.core.oam.dev/v1alpha1
kind: ClusterGatewayProxyConfiguration
spec:
  clientIdentityExchanger:
    rules:
    - name: robots
      type: PrivilegedIdentityExchanger
      source: {user: robot}
    - name: teams
      type: StaticMappingIdentityExchanger
      source: {groupPattern: ^team-}
      target: {user: reader, groups: [viewers], uid: "7"}
    - name: partners
      type: ExternalIdentityExchanger
      source: {userPattern: "@", clusterPattern: ^(plain|constrained)$}
      url: https://localhost:%d/review
      webhook: {caFile: webhook-ca.crt, certFile: webhook-client.crt, keyFile: webhook-client.key, timeoutSeconds: 1}
  impersonation:
    extras: {keep: [example.com/team]}
    maxGroups: 20
"""
OWN_RULES = """
spec:
  clientIdentityExchanger:
    rules:
    - {name: own, type: StaticMappingIdentityExchanger, source: {user: local}, target: {user: deployer}}
    - {name: broken, type: StaticMappingIdentityExchanger, source: {user: unlucky}, target: {usr: typo}}
  impersonation:
    extras: {keep: [example.com/team]}
    maxGroups: 20
"""
ANNOTATION = "cluster.core.oam.dev/cluster-gateway-proxy-configuration"
# Whom the managed cluster lets do what; the callers' own names and groups, where no rule is for them, included.
GRANTS = {
    "reader": ("User", ["get"]),
    "viewers": ("Group", ["list"]),
    "deployer": ("User", ["create"]),
    "partner:joe": ("User", ["get", "list"]),
    "jane": ("User", ["get"]),
    "dev": ("Group", ["list"]),
}
CLUSTERS = ("plain", "constrained", "narrow")
_RBAC = "rbac.authorization.k8s.io"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever was asked too slowly is not there any more."""


class Webhook:
    """
    An external identity exchanger that only clients with its authority's certificate can ask.

    @ivar asked: specs of the reviews so far.
    """

    def __init__(self, folder: Path) -> None:
        authority = Authority("webhook")
        served, client = authority.server("localhost"), authority.client("gateway")
        (folder / "webhook-ca.crt").write_bytes(authority.certificate)
        (folder / "webhook-client.crt").write_bytes(client.certificate)
        (folder / "webhook-client.key").write_bytes(client.key)
        (folder / "webhook.pem").write_bytes(served.certificate + served.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "webhook.pem")
        context.load_verify_locations(folder / "webhook-ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        self.asked: list[dict[str, Any]] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.asked.append(review["spec"])
                code, body = webhook.answer(review)
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody wants to know."""

        return Handler

    def answer(self, review: dict[str, Any]) -> tuple[int, bytes]:
        """Partners are partners; the others are in trouble, each in their own."""
        name, _, company = review["spec"]["user"].partition("@")
        if company == "slow":
            time.sleep(3)
        if company in ("302", "500"):
            return int(company), b"{}"
        if company == "html":
            return 200, b"<html>"
        status: dict[str, Any] = {"allowed": False, "reason": f"nobody knows {company}"}
        if company == "partner":
            status = {"allowed": True, "user": f"partner:{name}", "groups": ["company:partner"], "ttlSeconds": 60}
            status["extra"] = {"example.com/team": ["blue", "grün"], "example.com/secret": ["x"]}
        elif company == "nameless":
            status = {"allowed": True, "groups": ["system:masters"]}
        return 200, json.dumps({**review, "status": status}).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(slots=True)
class Answer:
    """What a caller got."""

    code: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def user(self) -> Any:
        """Who the managed cluster took the caller for, from a SelfSubjectReview."""
        return self.json["status"]["userInfo"]


class AsWhom:
    """
    The gateway and everything around it. The clusters are all the one managed cluster, which knows the gateway by a
    name for each: C{plain} grants it plain impersonation, C{constrained} the constrained one, and C{narrow}, for which
    no webhook is asked, only that of whom the rules name, C{jane} and C{guest}.
    """

    def __init__(self, world: HubWorld) -> None:
        self.world = world
        self.webhook = Webhook(world.folder)
        self.rules = world.folder / "rules.yaml"
        self.rules.write_text(RULES % self.webhook.port)
        self.log = world.folder / "audit.log"
        world.managed.come_back()
        self._let_in()
        for name in CLUSTERS:
            self._add(name)
        self._grant()
        self.gateway = world.new_gateway(
            *("as-whom", "--cluster-gateway-proxy-config=rules.yaml", f"--audit-log-path={self.log}"),
            "--feature-gates=ClientIdentityPenetration=true",
        )
        self.gateway.start()
        for name in CLUSTERS:
            eventually(partial(self._usable, name), f"{name} can be used")

    def _usable(self, name: str) -> bool:
        try:
            return self.review("jane", "dev", cluster=name).code == 201
        except (OSError, http.client.HTTPException):
            return False  # the hub has not yet said whom to believe

    def _let_in(self) -> None:
        """Whoever the hub knows may use every cluster; the rest is for the clusters to say."""
        metadata = {"name": "as-whom"}
        role = {"kind": "ClusterRole", "metadata": metadata}
        verbs = ("get", "create", "update", "patch", "delete")
        self.world.apply({"apiVersion": f"{_RBAC}/v1", **role, "rules": [rule("clustergateways/proxy", *verbs)]})
        subject = {"apiGroup": _RBAC, "kind": "Group", "name": "system:authenticated"}
        self.world.apply(binding("ClusterRoleBinding", "as-whom", subject))

    def _add(self, name: str) -> None:
        """A cluster whose credential may do nothing, and what C{clustergateway rbac} says that it needs."""
        managed, user = self.world.managed, f"gateway-{name}"
        pair = self.world.pair(managed, user)
        data = {"endpoint": managed.url, "ca.crt": managed.ca.decode("ascii")}
        data |= {"tls.crt": pair.certificate.decode("ascii"), "tls.key": pair.key.decode("ascii")}
        secret = cluster_secret(name, "X509Certificate", data)
        self.world.apply(secret)  # without its annotation: rbac refuses to print anything for rules that are wrong
        own = OWN_RULES.replace("    - {name: broken", "    # - {name: broken")
        secret["metadata"]["annotations"] = {ANNOTATION: own}
        manifest = self.world.folder / f"{name}.yaml"
        manifest.write_text(json.dumps(secret))
        printed = self.rbac(name, user, manifest)
        self.world.must("apply", "-f", "-", stdin=printed, cluster="east")
        secret["metadata"]["annotations"] = {ANNOTATION: OWN_RULES}
        self.world.apply(secret)

    def rbac(self, name: str, user: str, manifest: Path) -> str:
        """What the command prints."""
        command = [str(Path(sys.executable).with_name("clustergateway")), "rbac", "--config", str(self.rules)]
        command += ["--secret", str(manifest), "--user", user, "--name", f"as-whom-{name}"]
        command += ["--caller-user", "jane", "--caller-group", "dev", "--caller-user", "partner:joe"]
        command += ["--caller-group", "company:partner", "--caller-user", "guest"]
        if name == "constrained":
            command.append("--constrained")
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
        return done.stdout

    def _grant(self) -> None:
        """What everybody may do with ConfigMaps in the namespace C{default}; the gateway itself may look at nodes."""
        subjects = {name: {"apiGroup": _RBAC, "kind": kind, "name": name} for name, (kind, _) in GRANTS.items()}
        for name, subject in subjects.items():
            label = name.replace(":", "-")
            rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": GRANTS[name][1]}]
            metadata = {"name": f"as-whom-{label}", "namespace": "default"}
            role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
            self.world.apply(role, cluster="east")
            bound = binding("RoleBinding", f"as-whom-{label}", subject)
            bound["metadata"]["namespace"] = "default"
            bound["roleRef"]["kind"] = "Role"
            self.world.apply(bound, cluster="east")
        rules = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
        role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "as-whom-own"}, "rules": rules}
        self.world.apply(role, cluster="east")
        for name in CLUSTERS:
            subject = {"apiGroup": _RBAC, "kind": "User", "name": f"gateway-{name}"}
            bound = binding("ClusterRoleBinding", f"as-whom-own-{name}", subject)
            bound["roleRef"]["name"] = "as-whom-own"
            self.world.apply(bound, cluster="east")

    # Use

    def ask(self, pair: Pair | None, data: bytes) -> Answer:
        """
        @param data: sent to the gateway as it is, on a connection of its own.
        """
        connection = self.connect(pair)
        try:
            connection.sendall(data)
            response = http.client.HTTPResponse(connection, method=data.partition(b" ")[0].decode("latin-1"))
            response.begin()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def connect(self, pair: Pair | None) -> ssl.SSLSocket:
        """A connection to the gateway."""
        context = ssl.create_default_context(cadata=self.world.gateway_ca.decode("ascii"))
        if pair is not None:
            file = self.world.folder / "shown.pem"
            file.write_bytes(pair.certificate + pair.key)
            context.load_cert_chain(file)
        plain = socket.create_connection(("127.0.0.1", self.gateway.port), SECONDS)
        return context.wrap_socket(plain, server_hostname=f"{SERVICE}.{NAMESPACE}.svc")

    def ask_managed(self, pair: Pair, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Past every gateway."""
        managed = self.world.managed
        caller = Caller(managed.url, managed.ca, pair, self.world.folder)
        try:
            return caller.call(method, path, None, body)
        finally:
            caller.close()

    def user(self, name: str, *groups: str) -> Pair:
        """A user of the hub."""
        return self.world.pair(self.world.hub, name, *groups)

    def call(
        self, pair: Pair | None, method: str, path: str, *lines: str, body: Any = None, cluster: str = "plain"
    ) -> Answer:
        """One request into a cluster, through the gateway."""
        return self.ask(pair, request(method, f"{PATH}/clustergateways/{cluster}/proxy{path}", *lines, body=body))

    def review(self, name: str, *groups: str, cluster: str = "plain", lines: tuple[str, ...] = ()) -> Answer:
        """Who the managed cluster takes this user for."""
        return self.call(self.user(name, *groups), "POST", REVIEW, *lines, body=REVIEW_BODY, cluster=cluster)


def request(method: str, target: str, *lines: str, body: Any = None) -> bytes:
    """A request as bytes; each of C{lines} as it is."""
    data = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {target} HTTP/1.1", "Host: gateway", *lines]
    if body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + data


installed = once(lambda start: AsWhom(HubWorld(start)))
"""The one of a run, in a world of its own."""
