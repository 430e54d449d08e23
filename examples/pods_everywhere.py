"""
Count the pods of every cluster behind a gateway:

    python examples/pods_everywhere.py gateway.kubeconfig [CONTEXT]

The kubeconfig is the one with which the gateway, or the hosting cluster in front of it, is reached.
"""

from __future__ import annotations

import sys

from kubernetes import client

from clustergateway.client import api_client, cluster_names


def main(kubeconfig: str, context: str | None = None) -> None:
    for name in cluster_names(kubeconfig, context):
        with api_client(name, kubeconfig, context) as reached:
            pods = client.CoreV1Api(reached).list_pod_for_all_namespaces().items
        print(f"{name}: {len(pods)} pods")


if __name__ == "__main__":
    main(*sys.argv[1:])
