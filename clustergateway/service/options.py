"""The command line of C{twistd cluster-gateway}, spelled as the original's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.python import usage

from ..errors import ConfigurationError
from ..settings import FLAGS, IGNORED_FLAGS, Settings, parse_settings

_SWITCHES = frozenset(
    name
    for flag in FLAGS
    if not flag.limit and isinstance(getattr(Settings(), flag.field), bool)
    for name in (flag.name, *flag.aliases)
)
_IGNORED_SWITCHES = frozenset(
    ("add-dir-header", "alsologtostderr", "logtostderr", "one-output", "skip-headers", "skip-log-headers", "profiling")
)
_FRONT_PROXY_FLAGS = (
    "requestheader_allowed_names",
    "requestheader_username_headers",
    "requestheader_group_headers",
    "requestheader_extra_headers_prefix",
    "requestheader_uid_headers",
)
_HUB_FLAGS = (
    "kubeconfig",
    "authentication_kubeconfig",
    "authorization_kubeconfig",
    "requestheader_client_ca_file",
    *_FRONT_PROXY_FLAGS,
    "secret_namespace",
    "user_agent",
    "authorize_proxy_subpath",
    "ocm_integration",
    "cluster_profile_namespace",
    "cluster_profile_providers",
)
_HUB_GATES = ("SecretCache", "OCMClusterCache")


class Options(usage.Options):
    """
    @ivar settings: what was said, once C{parseOptions} has returned.
    @ivar warnings: what was said in vain.
    """

    optParameters = [
        *([name, None, None, flag.doc] for flag in FLAGS for name in (flag.name, *flag.aliases) if len(name) > 1),
        ["verbose", "v", None, "See --v."],
        *([name, None, None, "Ignored."] for name in sorted(IGNORED_FLAGS)),
    ]

    settings: Settings
    warnings: tuple[str, ...]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        super().parseOptions(list(_normalized(options or ())))

    def postOptions(self) -> None:
        given = {name: value for name, value in self.items() if value is not None}
        if "verbose" in given:
            given["v"] = given.pop("verbose")
        try:
            self.settings, self.warnings = parse_settings(given)
            _check(self.settings)
            self.warnings += tuple(_in_vain(self.settings))
        except ConfigurationError as error:
            raise usage.UsageError(error.message) from None


def _normalized(arguments: Sequence[str]) -> Iterator[str]:
    """Go's flags take a switch alone for true, and C{--v} and C{-v=4}; getopt does not."""
    for argument in arguments:
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "v":
            yield "--verbose"
            if equals:
                yield value
        elif argument.startswith("--") and not equals and name in _SWITCHES | _IGNORED_SWITCHES:
            yield f"--{name}=true"
        else:
            yield argument


def _check(settings: Settings) -> None:
    """
    @raise ConfigurationError: flags that cannot hold together.
    """
    if bool(settings.tls_cert_file) != bool(settings.tls_private_key_file):
        raise ConfigurationError("--tls-cert-file and --tls-private-key-file go together")
    if bool(settings.cluster_profile_namespace) != bool(settings.cluster_profile_providers):
        raise ConfigurationError("--cluster-profile-namespace and --cluster-profile-providers go together")
    if settings.standalone:
        for name in _of_a_hub(settings):
            raise ConfigurationError(
                f"{name} is for a gateway in front of a hosting cluster: it does not go with --clusters-dir or "
                "--clusters-kubeconfig"
            )
    else:
        for flag in ("token_auth_file", "standalone_policy", "write_kubeconfig"):
            if getattr(settings, flag):
                raise ConfigurationError(
                    f"--{flag.replace('_', '-')} is for a gateway without a hosting cluster: it goes with "
                    "--clusters-dir or --clusters-kubeconfig"
                )


def _of_a_hub(settings: Settings) -> Iterator[str]:
    """What was said that means nothing without a hosting cluster. To say what holds anyway does no harm."""
    usual = Settings()
    for flag in _HUB_FLAGS:
        if getattr(settings, flag) != getattr(usual, flag):
            yield f"--{flag.replace('_', '-')}"
    for gate in _HUB_GATES:
        if getattr(settings.feature_gates, gate) != getattr(usual.feature_gates, gate):
            yield f"--feature-gates={gate}"


def _in_vain(settings: Settings) -> Iterator[str]:
    """Warnings about what was said and changes nothing."""
    if settings.standalone or settings.requestheader_client_ca_file:
        return
    usual = Settings()
    for flag in _FRONT_PROXY_FLAGS:
        if getattr(settings, flag) != getattr(usual, flag):
            yield (
                f"--{flag.replace('_', '-')} has no meaning without --requestheader-client-ca-file and is ignored: the "
                "hosting cluster says who its front proxy is"
            )
