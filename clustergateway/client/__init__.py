"""
For Python programs: the official client, pointed at one cluster behind a gateway.

    >>> from kubernetes import client
    >>> from clustergateway.client import api_client
    >>> core = client.CoreV1Api(api_client("east"))
    >>> [pod.metadata.name for pod in core.list_namespaced_pod("default").items]

The kubeconfig is the one with which the gateway, or the hosting cluster in front of it, is reached.
"""

from .targets import api_client, cluster_names, cluster_server

__all__ = ["api_client", "cluster_names", "cluster_server"]
