"""Which subcommands there are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from ..errors import GatewayError
from . import kubeconfig, rbac, serving, sessions

Arguments = Callable[[argparse.ArgumentParser], None]
Main = Callable[[argparse.Namespace], int]

COMMANDS: dict[str, tuple[str, Arguments, Main]] = {
    "kubeconfig": ("write a kubeconfig with a context for each cluster", kubeconfig.arguments, kubeconfig.main),
    "rbac": ("print what a cluster has to grant the gateway to impersonate by", rbac.arguments, rbac.main),
    "serving-certificate": (
        "make a CA, a serving certificate, and the APIService that trusts it",
        serving.arguments,
        serving.main,
    ),
    "sessions": ("list or play recorded sessions", sessions.arguments, sessions.main),
}


def main(argv: Sequence[str] | None = None) -> int:
    """@return: the exit status."""
    parser = argparse.ArgumentParser(prog="clustergateway")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (doc, arguments, _) in COMMANDS.items():
        arguments(commands.add_parser(name, help=doc, description=doc[0].upper() + doc[1:] + "."))
    options = parser.parse_args(argv)
    try:
        return COMMANDS[options.command][2](options)
    except GatewayError as error:
        sys.stderr.write(f"clustergateway {options.command}: {error.message}\n")
        return 1
