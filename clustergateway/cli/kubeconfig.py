"""C{clustergateway kubeconfig}: a context for each cluster, out of the kubeconfig for the gateway."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigurationError

GROUP_PATH = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clusters", nargs="+", metavar="CLUSTER", help="names of ClusterGateways")
    parser.add_argument(
        "--kubeconfig", default=os.environ.get("KUBECONFIG", "~/.kube/config"), help="with which the gateway is reached"
    )
    parser.add_argument("--context", default="", help="of that file; the current one if not given")
    parser.add_argument("--output", "-o", default="-", help="file to write, readable by its owner only; - for stdout")


def main(options: argparse.Namespace) -> int:
    path = Path(options.kubeconfig).expanduser()
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    text = yaml.safe_dump(contexts(loaded, options.context, options.clusters, path.parent), sort_keys=False)
    if options.output == "-":
        sys.stdout.write(text)
    else:
        descriptor = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    return 0


def contexts(loaded: Any, context: str, clusters: list[str], folder: Path) -> dict[str, Any]:
    """
    @param loaded: a kubeconfig.
    @param context: its context that reaches the gateway; C{""}: its current one.
    @param folder: where the kubeconfig's relative paths begin.
    @return: a kubeconfig with that user and one context for each of the clusters, the first of them current.
    @raise ConfigurationError: the kubeconfig does not hold what it must.
    """
    if not isinstance(loaded, dict):
        raise ConfigurationError("the kubeconfig is not a mapping")
    name = context or loaded.get("current-context") or ""
    chosen = _named(loaded, "contexts", "context", name)
    user = _absolute(_named(loaded, "users", "user", chosen.get("user", "")), folder)
    gateway = _absolute(_named(loaded, "clusters", "cluster", chosen.get("cluster", "")), folder)
    server = str(gateway.get("server", "")).rstrip("/")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster, "cluster": {**gateway, "server": f"{server}{GROUP_PATH}/{cluster}/proxy"}}
            for cluster in clusters
        ],
        "users": [{"name": chosen.get("user", ""), "user": user}],
        "contexts": [
            {"name": cluster, "context": {"cluster": cluster, "user": chosen.get("user", "")}} for cluster in clusters
        ],
        "current-context": clusters[0],
    }


def _named(loaded: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    for item in loaded.get(section) or ():
        if isinstance(item, dict) and item.get("name") == name and isinstance(item.get(key), dict):
            return dict(item[key])
    raise ConfigurationError(f"the kubeconfig has no {key} {name!r}")


def _absolute(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same with paths that hold wherever the new file is put."""
    for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
        if settings.get(key):
            settings[key] = str(folder / Path(str(settings[key])))
    return settings
