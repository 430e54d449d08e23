"""C{clustergateway serving-certificate}: the gateway's certificate, and the APIService that trusts it."""

from __future__ import annotations

import argparse
import base64
import sys
from datetime import datetime, timezone
from typing import Any

import yaml

from ..model.x509 import DAY, issue_server, new_authority

GROUP = "cluster.core.oam.dev"
VERSION = "v1alpha1"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--service", default="cluster-gateway", help="name of the gateway's Service")
    parser.add_argument("--namespace", default="vela-system", help="its namespace")
    parser.add_argument("--secret", default="cluster-gateway-tls-cert", help="name of the Secret to make")
    parser.add_argument("--port", type=int, default=9443, help="port of the Service")
    parser.add_argument("--days", type=int, default=365, help="how long the certificate is valid")


def main(options: argparse.Namespace) -> int:
    now = datetime.now(timezone.utc).timestamp()
    sys.stdout.write(yaml.safe_dump_all(manifests(options, now), sort_keys=False))
    return 0


def manifests(options: argparse.Namespace, now: float) -> list[dict[str, Any]]:
    """
    @param now: seconds since the epoch; the certificates are valid from then on.
    @return: the Secret with the certificate, and the APIService with its CA. The CA's key is thrown away: to renew, run
        the command again and apply what it prints.
    """
    authority = new_authority(f"{options.service}.{options.namespace}", now, options.days * DAY)
    host = f"{options.service}.{options.namespace}.svc"
    names = (host, f"{options.service}.{options.namespace}", options.service, f"{host}.cluster.local")
    pair = issue_server(authority, names, now, options.days * DAY)
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": options.secret, "namespace": options.namespace},
            "type": "kubernetes.io/tls",
            "data": {
                "ca.crt": _base64(authority.certificate),
                "tls.crt": _base64(pair.certificate),
                "tls.key": _base64(pair.key),
            },
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 2000,
                "versionPriority": 10,
                "service": {"name": options.service, "namespace": options.namespace, "port": options.port},
                "caBundle": _base64(authority.certificate),
            },
        },
    ]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
