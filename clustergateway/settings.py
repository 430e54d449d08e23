"""The configuration: one frozen value, made once from the command line and handed to who needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from .errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Bounds on what one client or one upstream can cost. Sizes in bytes, times in seconds.

    @ivar head: largest request or response head.
    @ivar target: longest request target.
    @ivar fields: most header fields in one head.
    @ivar body: largest request body of a request that is not proxied.
    @ivar trailers: largest trailer section.
    @ivar handshake_timeout: from accept to the end of the TLS handshake.
    @ivar head_timeout: from the first byte of a request head to its end.
    @ivar body_timeout: longest silence inside a request body.
    @ivar idle_timeout: how long a client's connection without a request is kept.
    @ivar connect_timeout: for DNS, TCP, proxies and TLS to an endpoint, altogether.
    @ivar answer_timeout: from the end of the request to the first byte of the answer's head.
    @ivar high_water: bytes that may wait in one direction of one connection before its source is paused.
    @ivar connections: most client connections at a time.
    @ivar idle_upstream: most idle connections kept to one cluster.
    @ivar idle_upstream_timeout: how long such a one is kept.
    @ivar busy_upstream: most connections to one cluster at a time; more requests are answered 429.
    """

    head: int = 65536
    target: int = 16384
    fields: int = 256
    body: int = 1 << 20
    trailers: int = 16384
    handshake_timeout: float = 10.0
    head_timeout: float = 10.0
    body_timeout: float = 60.0
    idle_timeout: float = 120.0
    connect_timeout: float = 10.0
    answer_timeout: float = 60.0
    high_water: int = 65536
    connections: int = 20000
    idle_upstream: int = 256
    idle_upstream_timeout: float = 60.0
    busy_upstream: int = 10000


@dataclass(frozen=True, slots=True)
class FeatureGates:
    """The switches of C{--feature-gates} that mean something here, with their defaults."""

    HealthinessCheck: bool = False
    SecretCache: bool = True
    ClientIdentityPenetration: bool = False
    OCMClusterCache: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the command line said. A field is a flag: C{secure_port} is C{--secure-port}. C{""} means not given.

    @ivar limits: not a flag of its own; its fields are.
    """

    # serving
    secure_port: int = 9443
    bind_address: str = "0.0.0.0"  # noqa: S104 - the original's default; refused at start without an authenticator
    cert_dir: str = "apiserver.local.config/certificates"
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    tls_transport: str = "merged"
    shutdown_grace: float = 30.0
    # standalone
    clusters_dir: str = ""
    clusters_kubeconfig: str = ""
    token_auth_file: str = ""
    standalone_policy: str = ""
    write_kubeconfig: str = ""
    # aggregated
    kubeconfig: str = ""
    authentication_kubeconfig: str = ""
    authorization_kubeconfig: str = ""
    client_ca_file: str = ""
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ("x-remote-user",)
    requestheader_group_headers: tuple[str, ...] = ("x-remote-group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("x-remote-extra-",)
    requestheader_uid_headers: tuple[str, ...] = ()
    secret_namespace: str = "vela-system"
    user_agent: str = ""
    authorize_proxy_subpath: bool = False
    ocm_integration: bool = False
    cluster_profile_namespace: str = ""
    cluster_profile_providers: str = ""
    virtual_cluster_with_control_plane: bool = True
    feature_gates: FeatureGates = FeatureGates()
    # on the way to a cluster
    cluster_gateway_proxy_config: str = ""
    proxy_host: tuple[str, ...] = ()
    proxy_port: int = 8090
    proxy_ca_cert: str = ""
    proxy_cert: str = ""
    proxy_key: str = ""
    proxy_mode: str = "grpc"
    exec_plugin_allow: tuple[str, ...] = ()
    exec_plugin_allow_env: tuple[str, ...] = ()
    exec_plugin_timeout: float = 30.0
    # what is told
    access_log: str = "-"
    audit_policy_file: str = ""
    audit_log_path: str = ""
    audit_log_maxsize: int = 100
    audit_log_maxbackup: int = 10
    audit_webhook_config_file: str = ""
    session_recording_dir: str = ""
    session_recording_maxsize: int = 64
    v: int = 0
    limits: Limits = Limits()

    @property
    def standalone(self) -> bool:
        """Clusters come from files rather than from a hosting cluster."""
        return bool(self.clusters_dir or self.clusters_kubeconfig)


@dataclass(frozen=True, slots=True)
class Flag:
    """
    One flag of the command line.

    @ivar aliases: other names for it, among them misspellings that the original has.
    @ivar choices: the only values accepted; empty for any.
    """

    name: str
    doc: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    limit: bool = field(default=False)

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")


FLAGS = (
    Flag("secure-port", "Port to serve HTTPS on; 0 for any free one."),
    Flag("bind-address", "Address to listen on; 0.0.0.0 or :: for every interface."),
    Flag("cert-dir", "Folder for the certificates that the gateway makes itself."),
    Flag("tls-cert-file", "PEM file of the serving certificate, its chain behind it; re-read when it changes."),
    Flag("tls-private-key-file", "PEM file of the key that belongs to --tls-cert-file."),
    Flag("tls-transport", "merged: our own TLS transport; twisted: Twisted's.", choices=("merged", "twisted")),
    Flag("shutdown-grace", "Seconds that requests in flight get to finish after SIGTERM."),
    Flag("clusters-dir", "Standalone: folder of Secret manifests, one cluster each; re-read when files change."),
    Flag("clusters-kubeconfig", "Standalone: a kubeconfig; each of its contexts becomes a cluster."),
    Flag("token-auth-file", "Standalone: CSV of clients' tokens, as kube-apiserver's: token,user,uid,groups."),
    Flag("standalone-policy", "Standalone: YAML that narrows who may reach which clusters."),
    Flag("write-kubeconfig", "Standalone: write a kubeconfig with an administrator's certificate here, if absent."),
    Flag("kubeconfig", "Kubeconfig of the hosting cluster; without it the pod's service account."),
    Flag("authentication-kubeconfig", "Kubeconfig for TokenReviews; without it as --kubeconfig."),
    Flag("authorization-kubeconfig", "Kubeconfig for SubjectAccessReviews; without it as --kubeconfig."),
    Flag("client-ca-file", "PEM bundle; clients with a certificate from it are who the certificate says."),
    Flag("requestheader-client-ca-file", "PEM bundle of the front proxy's certificate."),
    Flag("requestheader-allowed-names", "Common names the front proxy may have, comma separated; none given: any."),
    Flag("requestheader-username-headers", "Header fields in which the front proxy names the user."),
    Flag("requestheader-group-headers", "Header fields in which it names the groups."),
    Flag("requestheader-extra-headers-prefix", "Prefixes of the header fields in which it passes extras."),
    Flag("requestheader-uid-headers", "Header fields in which it names the user's uid."),
    Flag("secret-namespace", "Namespace of the hosting cluster whose Secrets are clusters."),
    Flag("user-agent", "User-Agent of requests to the hosting cluster."),
    Flag("authorize-proxy-subpath", "Also ask the hosting cluster whether the user may do what is inside the path."),
    Flag("ocm-integration", "Take endpoints, acceptance and health from Open Cluster Management's ManagedClusters."),
    Flag("cluster-profile-namespace", "Namespace whose ClusterProfiles are clusters too; without it none are."),
    Flag("cluster-profile-providers", "YAML file that says how the credential of an access provider is had."),
    Flag(
        "virtual-cluster-with-control-plane",
        "List the hosting cluster itself as VirtualCluster local.",
        aliases=("virtual-clutser-with-control-plane",),
    ),
    Flag("feature-gates", "Comma separated Name=true|false: " + ", ".join(f.name for f in fields(FeatureGates)) + "."),
    Flag("cluster-gateway-proxy-config", "YAML file of identity exchange rules; re-read when it changes."),
    Flag("proxy-host", "Konnectivity proxy servers, comma separated, for clusters of endpoint type ClusterProxy."),
    Flag("proxy-port", "Their port."),
    Flag("proxy-ca-cert", "PEM bundle that their certificates must lead to."),
    Flag("proxy-cert", "PEM client certificate to show them; re-read when it changes."),
    Flag("proxy-key", "Its key."),
    Flag("proxy-mode", "How they are spoken to.", choices=("grpc", "http-connect")),
    Flag(
        "exec-plugin-allow",
        "Commands that Dynamic credentials may run, comma separated, with or without their arguments; * for any.",
    ),
    Flag("exec-plugin-allow-env", "Variables that Dynamic credentials may set for the commands of that list."),
    Flag("exec-plugin-timeout", "Seconds after which such a command is killed."),
    Flag("access-log", "File for one line per request; - for standard output, none for no such lines."),
    Flag("audit-policy-file", "Audit policy; re-read when it changes. Without it the metadata of every request."),
    Flag("audit-log-path", "File for audit events; - for standard output."),
    Flag("audit-log-maxsize", "Megabytes at which that file is set aside; 0 for never."),
    Flag("audit-log-maxbackup", "Most files kept of those set aside; 0 for all."),
    Flag("audit-webhook-config-file", "Kubeconfig of a server to send audit events to."),
    Flag("session-recording-dir", "Folder for recordings of the sessions that the audit policy names."),
    Flag("session-recording-maxsize", "Megabytes at which a recording ends."),
    Flag("v", "How much is logged: 0 events, 2 requests to the hub, 4 connections.", aliases=("verbosity",)),
    Flag("connections", "Most client connections at a time.", limit=True),
    Flag("handshake-timeout", "Seconds from accepting a connection to the end of its TLS handshake.", limit=True),
    Flag("head-timeout", "Seconds for a request head to arrive whole.", limit=True),
    Flag("body-timeout", "Longest silence in seconds inside a request body.", limit=True),
    Flag("idle-timeout", "Seconds that a client's connection without a request is kept.", limit=True),
    Flag("connect-timeout", "Seconds for DNS, TCP, proxies and TLS to a cluster, altogether.", limit=True),
    Flag("answer-timeout", "Seconds from the end of a request to the beginning of the cluster's answer.", limit=True),
    Flag("idle-upstream", "Most idle connections kept to one cluster.", limit=True),
    Flag("busy-upstream", "Most connections to one cluster at a time.", limit=True),
)

# Flags of the original's server library without meaning here; accepted with a warning, so that its manifests work.
IGNORED_FLAGS = frozenset(
    (
        "add-dir-header", "alsologtostderr", "log-backtrace-at", "log-dir", "log-file", "log-file-max-size",
        "logtostderr", "one-output", "skip-headers", "skip-log-headers", "stderrthreshold", "vmodule",
        "log-flush-frequency", "logging-format",
        "audit-log-compress", "contention-profiling", "profiling", "http2-max-streams-per-connection",
        "permit-address-sharing", "permit-port-sharing", "tls-cipher-suites", "tls-min-version", "tls-sni-cert-key",
        "authentication-skip-lookup", "authentication-token-webhook-cache-ttl",
        "authentication-tolerate-lookup-failure", "authorization-always-allow-paths",
        "authorization-webhook-cache-authorized-ttl", "authorization-webhook-cache-unauthorized-ttl",
        "enable-priority-and-fairness", "standalone-debug-mode", "disable-admission-plugins",
        "enable-admission-plugins", "admission-control-config-file", "egress-selector-config-file",
    )
)  # fmt: skip


def parse_settings(given: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """
    @param given: flag name without dashes -> value as typed.
    @return: the settings, and warnings for people to read.
    @raise ConfigurationError: a flag is unknown, or its value is not of its kind.
    """
    known = {name: flag for flag in FLAGS for name in (flag.name, *flag.aliases)}
    values: dict[str, object] = {}
    limits: dict[str, object] = {}
    warnings: list[str] = []
    for name, text in given.items():
        flag = known.get(name)
        if flag is None:
            if name not in IGNORED_FLAGS:
                raise ConfigurationError(f"unknown flag --{name}")
            warnings.append(f"--{name} has no meaning here and is ignored")
            continue
        if flag.choices and text not in flag.choices:
            raise ConfigurationError(f"--{name} must be one of {', '.join(flag.choices)}, not {text!r}")
        if flag.name == "feature-gates":
            values["feature_gates"], unknown = _gates(text)
            warnings += [f"feature gate {gate} has no meaning here and is ignored" for gate in unknown]
        elif flag.limit:
            limits[flag.field] = _convert(name, text, getattr(Limits(), flag.field))
        else:
            values[flag.field] = _convert(name, text, getattr(Settings(), flag.field))
    settings = Settings(limits=Limits(**limits), **values)  # type: ignore[arg-type]  # kinds checked above
    if settings.exec_plugin_allow_env and (not settings.exec_plugin_allow or "*" in settings.exec_plugin_allow):
        warnings.append("--exec-plugin-allow-env says nothing without commands in --exec-plugin-allow")
    return settings, tuple(warnings)


def _convert(name: str, text: str, default: object) -> object:
    """The text as the kind of value that the default is."""
    if isinstance(default, bool):
        truth = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}.get(text.lower())
        if truth is None:
            raise ConfigurationError(f"--{name} must be true or false, not {text!r}")
        return truth
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, (int, float)):
        return _number(name, text, default)
    return text


def _number(name: str, text: str, default: int | float) -> int | float:
    try:
        number = type(default)(text)
    except ValueError:
        raise ConfigurationError(f"--{name} must be a number, not {text!r}") from None
    if not 0 <= number < float("inf"):
        raise ConfigurationError(f"--{name} must not be negative or infinite: {text}")
    if name.endswith("port") and number > 65535:
        raise ConfigurationError(f"--{name} must be a port number, 0 to 65535, not {text}")
    return number


def _gates(text: str) -> tuple[FeatureGates, tuple[str, ...]]:
    """The gates, and the names that mean nothing here."""
    mine = {f.name for f in fields(FeatureGates)}
    on: dict[str, bool] = {}
    unknown = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigurationError(f"--feature-gates: {part!r} is not of the form Name=true|false")
        truth = _convert(f"feature-gates: {name}", value, False)
        if name in mine:
            on[name] = bool(truth)
        else:
            unknown.append(name)
    return FeatureGates(**on), tuple(unknown)
