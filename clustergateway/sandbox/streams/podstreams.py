"""Routes the streaming subresources of a pod to what answers them."""

from __future__ import annotations

import base64
import binascii
from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET

from ...model.channels import PORT_FORWARD_TUNNEL, V4, V5
from ...model.websocket import accept_key
from ..objects import Object
from ..status import ApiError, method_not_allowed
from .logs import LogAnswer
from .portforward import Forwards
from .portforward_spdy import PROTOCOL, SpdyPortForward, Tunnel
from .portforward_websocket import WebSocketPortForward
from .query import bad_request, command_of, container_of, log_options, options_of, ports_of, query_of
from .remote import Options, Program, RemoteCommand, Wire
from .remote_spdy import PROTOCOLS, SpdyRemote
from .remote_websocket import WebSocketRemote
from .running import RunningContainer, RunningPods
from .shell.container import run_command
from .spdy_wire import SpdyConnection
from .takeover import header_tokens, take_over
from .websocket_wire import WebSocketApplication, WebSocketConnection


class PodStreams:
    """
    exec, attach, portforward and log of the pods of one sandbox cluster. Programs, files and listeners are made up in
    memory; nothing of the machine is touched.
    """

    def __init__(self, clock: IReactorTime, cluster: str) -> None:
        """
        @param cluster: its name, which pods show in what they print.
        """
        self._clock = clock
        self._pods = RunningPods(clock, cluster)

    def render(self, request: Request, pod: Object, subresource: str) -> int:
        """
        Answer a request for C{.../pods/NAME/SUBRESOURCE}.

        @param subresource: C{exec}, C{attach}, C{portforward} or C{log}.
        @raise ApiError: it is refused.
        """
        if request.method not in ((b"GET",) if subresource == "log" else (b"GET", b"POST")):
            raise method_not_allowed()
        if subresource == "log":
            self._log(request, pod)
        elif subresource == "portforward":
            _require_running(pod, "")
            self._port_forward(request, pod)
        else:
            self._remote_command(request, pod, subresource)
        return NOT_DONE_YET

    def forget(self, namespace: str, name: str) -> None:
        """The pod is gone: its programs end as if killed, its logs end."""
        self._pods.forget(namespace, name)

    def _log(self, request: Request, pod: Object) -> None:
        query = query_of(request)
        name = container_of(pod, query)
        options = log_options(query, self._clock.seconds())
        if (pod.get("status") or {}).get("phase") == "Pending":
            where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
            raise bad_request(f"{where} is waiting to start: ContainerCreating")
        container = self._pods.container(pod, name)
        process = container.main
        if query.get("previous", "") in ("true", "1"):
            if container.previous is None:
                where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
                raise bad_request(f"previous terminated {where} not found")
            process = container.previous
        LogAnswer(request, options).start(process)

    def _remote_command(self, request: Request, pod: Object, subresource: str) -> None:
        query = query_of(request)
        name = container_of(pod, query)
        options = options_of(query)
        command = command_of(request)
        if subresource == "exec" and not command:
            raise bad_request("you must specify at least one command for the container")
        _require_running(pod, name)
        container = self._pods.container(pod, name)
        program: Program = container.main.attach
        if subresource == "exec":
            program = partial(run_command, container.inside, command)
        start = partial(_command, container, options, program)
        if _upgrades_to(request, "websocket"):
            chosen = _chosen(_subprotocols(request), (V5, V4))
            self._websocket(request, chosen, WebSocketRemote(chosen, start))
        else:
            protocol = _stream_protocol(request, PROTOCOLS)
            spdy = SpdyConnection(self._clock, SpdyRemote(self._clock, protocol, options, start))
            _accept_spdy(request, protocol, spdy)

    def _port_forward(self, request: Request, pod: Object) -> None:
        metadata = pod["metadata"]
        shown = f"{metadata['name']}, uid {metadata.get('uid', '')}"
        forwards = Forwards(self._clock, shown, self._pods.listeners(pod))
        if not _upgrades_to(request, "websocket"):
            _accept_spdy(
                request, _stream_protocol(request, (PROTOCOL,)), SpdyConnection(self._clock, SpdyPortForward(forwards))
            )
            return
        chosen = _chosen(_subprotocols(request), (PORT_FORWARD_TUNNEL, V4))
        if chosen == V4:
            self._websocket(request, chosen, WebSocketPortForward(forwards, ports_of(request)))
        else:
            self._websocket(request, chosen, Tunnel(SpdyConnection(self._clock, SpdyPortForward(forwards))))

    def _websocket(self, request: Request, subprotocol: str, application: WebSocketApplication) -> None:
        if header_tokens(request, b"Sec-WebSocket-Version") != ["13"]:
            raise ApiError(426, "", "WebSocket version 13 is needed")
        key = (request.getHeader(b"Sec-WebSocket-Key") or b"").strip()
        if not _is_key(key):
            raise bad_request("the WebSocket key is malformed")
        headers = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", accept_key(key)),
            (b"Sec-WebSocket-Protocol", subprotocol.encode()),
        ]
        take_over(request, headers, WebSocketConnection(self._clock, application))


def _command(container: RunningContainer, options: Options, program: Program, wire: Wire) -> RemoteCommand:
    return container.command(wire, options, program)


def _upgrades_to(request: Request, protocol: str) -> bool:
    connection = [token.lower() for token in header_tokens(request, b"Connection")]
    return "upgrade" in connection and protocol in [token.lower() for token in header_tokens(request, b"Upgrade")]


def _stream_protocol(request: Request, supported: tuple[str, ...]) -> str:
    """
    @raise ApiError: this is no SPDY upgrade, or for another protocol.
    """
    if not _upgrades_to(request, "spdy/3.1"):
        raise bad_request("Upgrade request required")
    offered = header_tokens(request, b"X-Stream-Protocol-Version")
    try:
        return _chosen(offered, supported)
    except ApiError:
        for one in supported:
            request.responseHeaders.addRawHeader(b"X-Accepted-Stream-Protocol-Versions", one.encode())
        raise


def _accept_spdy(request: Request, protocol: str, connection: Protocol) -> None:
    headers = [
        (b"Upgrade", b"SPDY/3.1"),
        (b"Connection", b"Upgrade"),
        (b"X-Stream-Protocol-Version", protocol.encode()),
    ]
    take_over(request, headers, connection)


def _subprotocols(request: Request) -> list[str]:
    return header_tokens(request, b"Sec-WebSocket-Protocol")


def _chosen(offered: list[str], supported: tuple[str, ...]) -> str:
    """The first that the client offers and the sandbox speaks."""
    for one in offered:
        if one in supported:
            return one
    shown = ", ".join(supported)
    raise ApiError(403, "Forbidden", f"unable to upgrade: none of {offered} is among the supported protocols {shown}")


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def _require_running(pod: Object, container: str) -> None:
    """
    @raise ApiError: nothing runs in the pod.
    """
    phase = (pod.get("status") or {}).get("phase")
    name = pod["metadata"]["name"]
    if phase == "Pending":
        raise bad_request(f"pod {name} does not have a host assigned")
    if phase in ("Succeeded", "Failed"):
        what = f'container not found ("{container}")' if container else f"pod {name} is not running"
        raise ApiError(500, "InternalError", f"Internal error occurred: {what}")
