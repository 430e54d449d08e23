"""What a cluster holds at its start: what every cluster has, and what C{make run} shows in east and west."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .objects import Object, metadata
from .registry import Registry
from .strategy import Options

_ALWAYS = ("default", "kube-node-lease", "kube-public", "kube-system")
_INSTALLER = Options("sandbox")


def plant(registry: Registry, objects: Iterable[Object]) -> None:
    """
    Create the namespaces that every cluster has, and then C{objects}.

    @raise ApiError: one of them does not validate.
    """
    for name in _ALWAYS:
        create(registry, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for obj in objects:
        create(registry, obj)


def create(registry: Registry, obj: Object) -> Object:
    """
    Create an object of a kind that is served.

    @raise LookupError: it is not.
    @raise ApiError: it does not validate.
    """
    kind = registry.kinds.of_kind(obj["apiVersion"], obj["kind"])
    if kind is None:
        raise LookupError(f"no resource {obj['kind']} in {obj['apiVersion']}")
    namespace = metadata(obj).get("namespace", "default") if kind.namespaced else ""
    return registry.create(kind, namespace, obj, _INSTALLER)


def _pod_template(app: str, image: str, **more: Any) -> Object:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": app, "image": image, **more}]}}


def _deployment(name: str, namespace: str, replicas: int, image: str) -> Object:
    spec: Object = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}}
    spec["template"] = _pod_template(name, image, ports=[{"name": "http", "containerPort": 8080}])
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _node(cluster: str, zone: str) -> Object:
    labels = {
        "kubernetes.io/hostname": f"{cluster}-node",
        "topology.kubernetes.io/zone": zone,
        "node-role.kubernetes.io/control-plane": "",
    }
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    info = {
        "kubeletVersion": "v1.36.0",
        "osImage": "Sandbox",
        "kernelVersion": "0",
        "containerRuntimeVersion": "sandbox://1",
    }
    info |= {"architecture": "amd64", "operatingSystem": "linux", "bootID": "", "machineID": "", "systemUUID": ""}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    status: Object = {"capacity": capacity, "allocatable": capacity, "nodeInfo": {**info, "kubeProxyVersion": ""}}
    status |= {"conditions": [ready], "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
    meta = {"name": f"{cluster}-node", "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {}, "status": status}


def _config_map(cluster: str, greeting: str) -> Object:
    meta = {"name": "about", "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": {"cluster": cluster, "greeting": greeting},
    }


def _namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _service(name: str, namespace: str) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _box() -> Object:
    """A bare Pod; its log ticks each second."""
    template = _pod_template("box", "busybox:1", stdin=True)
    meta = {"name": "box", "namespace": "default", "labels": {"app": "box"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def example(cluster: str) -> tuple[Object, ...]:
    """
    What C{make run} shows.

    @param cluster: C{east} or C{west}; each holds something else, so that one sees who answers.
    """
    if cluster == "east":
        own = [_namespace("shop", team="storefront"), _deployment("web", "default", 3, "registry.example/web:1.2")]
        own += [_deployment("cart", "shop", 2, "registry.example/cart:0.9"), _service("cart", "shop")]
        greeting, zone = "good morning", "east-1a"
    else:
        own = [_namespace("billing", team="finance"), _deployment("web", "default", 2, "registry.example/web:1.1")]
        own += [_deployment("ledger", "billing", 1, "registry.example/ledger:2.0"), _service("ledger", "billing")]
        greeting, zone = "good evening", "west-2b"
    return (_node(cluster, zone), _config_map(cluster, greeting), _box(), _service("web", "default"), *own)
