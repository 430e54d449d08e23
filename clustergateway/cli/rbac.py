"""C{clustergateway rbac}: the least that a managed cluster has to grant the gateway for the rules in force."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigurationError
from ..model.exchange import Configuration
from ..model.exchangeconfig import parse_annotation, parse_global
from ..model.impersonation import DEFAULT_POLICY
from ..model.manifest import documents
from ..model.rbac import RBAC, VERBS, Callers, manifests, needs

ANNOTATION = "cluster.core.oam.dev/cluster-gateway-proxy-configuration"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default="", metavar="FILE", help="what --cluster-gateway-proxy-config names")
    parser.add_argument("--secret", default="", metavar="FILE", help="the cluster's Secret, for rules of its own")
    parser.add_argument("--cluster", default="", metavar="NAME", help="leave out rules that are for other clusters")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--service-account", metavar="NAMESPACE/NAME", help="what the gateway's token for the cluster is of"
    )
    who.add_argument("--user", metavar="NAME", help="what the gateway's certificate for the cluster is of")
    callers = parser.add_argument_group("callers for whom there is no rule (by default anyone)")
    callers.add_argument("--caller-user", action="append", default=[], metavar="NAME", help="may be one; repeatable")
    callers.add_argument(
        "--caller-group", action="append", default=[], metavar="NAME", help="they may be in; repeatable"
    )
    callers.add_argument("--caller-uid", action="append", default=[], metavar="UID", help="they may have; repeatable")
    callers.add_argument("--rules-only", action="store_true", help="there are none")
    parser.add_argument(
        "--constrained", action="store_true", help="for clusters with constrained impersonation (Kubernetes 1.36)"
    )
    parser.add_argument(
        "--verb", action="append", choices=VERBS, help="what may be done in another's name; needs --constrained"
    )
    parser.add_argument("--name", default="cluster-gateway-impersonation", help="of the roles")


def main(options: argparse.Namespace) -> int:
    if options.verb and not options.constrained:
        raise ConfigurationError("--verb needs --constrained: the plain verb says nothing about what is done")
    shared = parse_global(_contents(options.config)) if options.config else Configuration()
    own, cluster = _own(options.secret) if options.secret else (Configuration(), "")
    if own.problems():
        raise ConfigurationError("; ".join(own.problems()))
    names = tuple(map(tuple, (options.caller_user, options.caller_group, options.caller_uid)))
    callers = Callers(not (any(names) or options.rules_only), *names)
    found = needs((own, shared), options.cluster or cluster, callers, options.constrained)
    policy = own.policy or shared.policy or DEFAULT_POLICY
    made = manifests(found, _subject(options), options.name, policy, options.verb or VERBS)
    sys.stdout.write("".join(f"# {note}\n" for note in found.notes))
    sys.stdout.write(yaml.dump_all(made, Dumper=_Dumper, sort_keys=False))
    return 0


class _Dumper(yaml.SafeDumper):
    """Writes a value out each time: anchors are hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _subject(options: argparse.Namespace) -> dict[str, str]:
    if options.user:
        return {"kind": "User", "apiGroup": RBAC, "name": options.user}
    namespace, _, name = options.service_account.partition("/")
    if not namespace or not name:
        raise ConfigurationError("--service-account: expected NAMESPACE/NAME")
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _own(path: str) -> tuple[Configuration, str]:
    """The configuration in a Secret's annotation, and the cluster's name."""
    found = documents(_contents(path))
    metadata = found[0].get("metadata") if len(found) == 1 and isinstance(found[0], dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ConfigurationError(f"{path} is not one Secret")
    annotations = metadata.get("annotations")
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    return parse_annotation(text if isinstance(text, str) else ""), metadata["name"]


def _contents(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
