"""What C{twistd} offers when Cluster Gateway is installed."""

from twisted.application.service import ServiceMaker

clusterGateway = ServiceMaker(
    "Cluster Gateway",
    "clustergateway.service",
    "One address through which any Kubernetes client reaches many clusters.",
    "cluster-gateway",
)
