"""What C{twistd} offers when Cluster Gateway is installed."""

from twisted.application.service import ServiceMaker

clusterGateway = ServiceMaker(
    "Cluster Gateway",
    "clustergateway.service",
    "One address through which any Kubernetes client reaches many clusters.",
    "cluster-gateway",
)

clusterGatewayAddonManager = ServiceMaker(
    "Cluster Gateway's add-on manager",
    "clustergateway.service.addonmanager",
    "Installs Cluster Gateway in a hub of Open Cluster Management, and looks after it.",
    "cluster-gateway-addon-manager",
)
