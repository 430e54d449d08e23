"""From a client of a gateway to clients of the clusters behind it."""

from __future__ import annotations

import copy
from typing import Any

from kubernetes import client, config

from ..errors import ConfigurationError

GROUP = "cluster.core.oam.dev"
VERSION = "v1alpha1"


def cluster_server(server: str, cluster: str) -> str:
    """
    @param server: URL of the gateway or of the hosting cluster in front of it.
    @return: URL at which the cluster answers as if it were reached directly.
    """
    return f"{server.rstrip('/')}/apis/{GROUP}/{VERSION}/clustergateways/{cluster}/proxy"


def api_client(cluster: str, config_file: str | None = None, context: str | None = None) -> client.ApiClient:
    """
    @param config_file: the kubeconfig with which the gateway is reached; C{None}: where kubectl looks.
    @param context: of that kubeconfig; C{None}: its current one.
    @return: of the official client, for every API class it has.
    @raise ConfigurationError: there is no such kubeconfig or context.
    """
    gateway = _configuration(config_file, context)
    gateway.host = cluster_server(gateway.host, cluster)
    return client.ApiClient(gateway)


def cluster_names(config_file: str | None = None, context: str | None = None) -> list[str]:
    """
    @return: the clusters behind the gateway, as it lists them.
    @raise ConfigurationError: there is no such kubeconfig or context.
    """
    with client.ApiClient(_configuration(config_file, context)) as gateway:
        found: Any = client.CustomObjectsApi(gateway).list_cluster_custom_object(GROUP, VERSION, "clustergateways")
    return [item["metadata"]["name"] for item in found["items"]]


def _configuration(config_file: str | None, context: str | None) -> client.Configuration:
    configuration = client.Configuration()
    try:
        config.load_kube_config(config_file, context, client_configuration=configuration)
    except config.ConfigException as error:
        raise ConfigurationError(f"the kubeconfig cannot be used: {error}") from None
    return copy.copy(configuration)
