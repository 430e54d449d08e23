"""
A hub with an inventory of clusters (ClusterProfiles), and what comes from it or goes to it: a gateway that takes its
clusters from there, with the rights of C{k8s/components/cluster-profile-source} and no others besides its own, and an
add-on manager that publishes access, with those of C{k8s/components/cluster-profile-publisher}.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from ..addon.definitions import profile_crd
from ..contracts.hub import HubWorld
from ..contracts.hub_processes import ROOT, Gateway
from .addon import AddonWorld

INVENTORY = "inventory"
API = "multicluster.x-k8s.io/v1alpha1"
COMPONENTS = ROOT / "k8s" / "components"

# Gives the client certificate of the user that the cluster's extension names.
_PLUGIN = """
import json, os, pathlib, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
folder, user = pathlib.Path(sys.argv[1]), info["spec"]["cluster"]["config"]["user"]
kinds = {"Certificate": "crt", "Key": "key"}
status = {f"client{what}Data": (folder / f"{user}.{end}").read_text() for what, end in kinds.items()}
json.dump({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}, sys.stdout)
"""


class Inventory:
    """
    ClusterProfiles of a hub.

    @ivar world: the hub.
    """

    def __init__(self, world: HubWorld) -> None:
        self.world = world

    def define(self) -> None:
        """Have the hub serve them."""
        definition = profile_crd()
        self.world.apply(definition)
        self.world.must("wait", "--for=condition=Established", f"crd/{definition['metadata']['name']}", "--timeout=30s")

    def enter(self, name: str, *providers: dict[str, Any]) -> None:
        """A cluster, as a cluster manager enters it, or changes it."""
        profile = {"apiVersion": API, "kind": "ClusterProfile", "metadata": {"name": name, "namespace": INVENTORY}}
        spec = {"displayName": name.title(), "clusterManager": {"name": "tests"}}
        self.world.apply({**profile, "spec": spec})
        status = json.dumps({"status": {"accessProviders": providers}})
        self.patch_status(name, status)

    def patch_status(self, name: str, change: str) -> None:
        self.world.must(
            "patch", "clusterprofile", name, "-n", INVENTORY, "--subresource=status", "--type=merge", "-p", change
        )

    def remove(self, name: str) -> None:
        self.world.must("delete", "clusterprofile", name, "-n", INVENTORY, "--ignore-not-found")

    def providers(self, name: str) -> dict[str, dict[str, Any]]:
        """Where each access provider of a cluster leads."""
        status = self.world.get("clusterprofile", name, "-n", INVENTORY).get("status", {})
        return {each["name"]: each["cluster"] for each in status.get("accessProviders", ())}


class SourceWorld(HubWorld):
    """
    The gateway is started before the hub knows ClusterProfiles.

    @ivar uncached: another one, without memory.
    """

    def _install(self) -> None:
        self.inventory = Inventory(self)
        (self.folder / "plugin.py").write_text(_PLUGIN)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": INVENTORY}})
        super()._install()
        self.must("apply", "--server-side", "-f", str(COMPONENTS / "cluster-profile-source" / "rbac.yaml"))
        for user, groups in (("admin", ("system:masters",)), ("jane", ())):
            pair = self.pair(self.managed, user, *groups)
            (self.folder / f"{user}.crt").write_bytes(pair.certificate)
            (self.folder / f"{user}.key").write_bytes(pair.key)
        self.uncached = self.new_gateway("uncached", "--feature-gates=SecretCache=false")
        self.uncached.start(ready=True)

    def new_gateway(self, name: str, *flags: str) -> Gateway:
        config = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(self.folder / "plugin.py"), str(self.folder)],
            "interactiveMode": "Never",
            "provideClusterInfo": True,
        }
        providers = self.folder / "providers.yaml"
        providers.write_text(yaml.safe_dump({"providers": [{"name": "tests", "execConfig": config}]}))
        given = [f"--cluster-profile-namespace={INVENTORY}", f"--cluster-profile-providers={providers}"]
        return super().new_gateway(name, *given, f"--exec-plugin-allow={sys.executable}", *flags)

    def access(self, user: str = "admin", server: str = "") -> dict[str, Any]:
        """
        An access provider of the managed cluster.

        @param user: of that cluster, whom the gateway will be there.
        @param server: another URL.
        """
        extension = {"name": "client.authentication.k8s.io/exec", "extension": {"user": user}}
        cluster = {
            "server": server or self.managed.url,
            "certificate-authority-data": base64.b64encode(self.managed.ca).decode("ascii"),
            "extensions": [extension],
        }
        return {"name": "tests", "cluster": cluster}


class PublisherWorld(AddonWorld):
    """A hub of Open Cluster Management with an inventory."""

    def _install(self) -> None:
        self.inventory = Inventory(self)
        super()._install()
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": INVENTORY}})
        self.must("apply", "--server-side", "-f", str(COMPONENTS / "cluster-profile-publisher" / "rbac.yaml"))

    def publication(self) -> dict[str, str]:
        return {"server": self.hub.url, "caBundle": base64.b64encode(self.hub.ca).decode("ascii")}

    def through(self, cluster: dict[str, Any]) -> str:
        """
        A kubeconfig of the hub's administrator for what an access provider says, and nothing else.

        @param cluster: of the access provider.
        """
        content = yaml.safe_load(Path(self.kubeconfig()).read_text())
        content["clusters"][0]["cluster"] = cluster
        path = self.folder / "published.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return str(path)
