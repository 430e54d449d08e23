"""
The conversations of L{tests.e2e.test_kubectl_streams}, through the gateway: on its own TLS transport and on Twisted's,
to a cluster entered with a token and to one entered with a certificate.
"""

from __future__ import annotations

from typing import ClassVar

from .test_kubectl_streams import SPDY, Copy, Exec, Forward, Logs, PythonClient, StreamsTestCase
from .world import shared_world


class Gateway(StreamsTestCase):
    """
    @cvar arguments: of the sandbox.
    """

    arguments: ClassVar[tuple[str, ...]] = ()
    context_name: ClassVar[str] = "east"

    async def world(self) -> tuple[str, str]:
        return str(shared_world(*self.arguments).kubeconfig), self.context_name


class GatewayExec(Exec, Gateway):
    pass


class GatewayExecSpdy(GatewayExec):
    environment: ClassVar = SPDY


class GatewayExecStockTls(GatewayExec):
    arguments = ("--tls-transport", "twisted")
    context_name = "west"


class GatewayCopy(Copy, Gateway):
    context_name = "west"


class GatewayCopySpdy(GatewayCopy):
    environment: ClassVar = SPDY


class GatewayCopyStockTls(GatewayCopy):
    arguments = ("--tls-transport", "twisted")


class GatewayForward(Forward, Gateway):
    pass


class GatewayForwardSpdy(GatewayForward):
    environment: ClassVar = SPDY


class GatewayForwardStockTls(GatewayForward):
    arguments = ("--tls-transport", "twisted")


class GatewayPythonClient(PythonClient, Gateway):
    pass


class GatewayLogs(Logs, Gateway):
    context_name = "west"


class GatewayLogsStockTls(GatewayLogs):
    arguments = ("--tls-transport", "twisted")


# Imported to be mixed in; there is nothing to run in it by itself.
del StreamsTestCase, Gateway
