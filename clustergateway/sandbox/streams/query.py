"""What the query of a streaming request asks for: PodExecOptions, PodLogOptions and their kin."""

from __future__ import annotations

from twisted.web.http import Request

from ..objects import Object, seconds_of
from ..status import ApiError
from .logs import LogOptions
from .remote import Options


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def query_of(request: Request) -> dict[str, str]:
    """The first value of each parameter."""
    return {name.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for name, values in _args(request)}


def command_of(request: Request) -> list[str]:
    """The command and its arguments."""
    return [
        value.decode("utf-8", "surrogateescape")
        for name, values in _args(request)
        for value in values
        if name == b"command"
    ]


def ports_of(request: Request) -> list[int]:
    """
    @raise ApiError: there are none, or one is not a port.
    """
    texts = [
        text for name, values in _args(request) if name == b"ports" for value in values for text in value.split(b",")
    ]
    if not texts or not all(text.isdigit() and len(text) < 6 and 0 < int(text) < 1 << 16 for text in texts):
        raise bad_request('query parameter "ports" is required, and must be port numbers')
    if len(texts) > 64:
        raise bad_request("too many ports")
    return [int(text) for text in texts]


def options_of(query: dict[str, str]) -> Options:
    """
    @raise ApiError: the client wants to be connected to nothing.
    """
    stdin, stdout, stderr, tty = (_flag(query, name) for name in ("stdin", "stdout", "stderr", "tty"))
    if not (stdin or stdout or stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return Options(stdin, stdout, stderr, tty)


def log_options(query: dict[str, str], now: float) -> LogOptions:
    """
    @param now: seconds since the epoch.
    @raise ApiError: a value is invalid.
    """
    since = _number(query, "sinceSeconds", 1)
    if since is not None and "sinceTime" in query:
        raise _invalid("sinceTime", query["sinceTime"], "at most one of sinceTime or sinceSeconds may be specified")
    begin = None if since is None else now - since
    if "sinceTime" in query:
        try:
            begin = seconds_of(query["sinceTime"])
        except ValueError:
            raise bad_request(f"{query['sinceTime']} is not a time") from None
    return LogOptions(
        _flag(query, "follow"),
        _flag(query, "timestamps"),
        begin,
        _number(query, "tailLines", 0),
        _number(query, "limitBytes", 1),
    )


def container_of(pod: Object, query: dict[str, str]) -> str:
    """
    The name of the container that is meant.

    @raise ApiError: there is none of this name, or none was named and there are several.
    """
    names = [container["name"] for container in (pod.get("spec") or {}).get("containers") or []]
    asked = query.get("container", "")
    pod_name = pod["metadata"]["name"]
    if asked and asked not in names:
        raise bad_request(f"container {asked} is not valid for pod {pod_name}")
    if not asked and len(names) != 1:
        shown = " ".join(names)
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{shown}]")
    return asked or names[0]


def _args(request: Request) -> list[tuple[bytes, list[bytes]]]:
    args: dict[bytes, list[bytes]] = request.args or {}
    return list(args.items())


def _flag(query: dict[str, str], name: str) -> bool:
    return query.get(name, "") in ("true", "True", "1")


def _number(query: dict[str, str], name: str, least: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.lstrip("-").isdigit() or len(text) > 18:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if int(text) < least:
        raise _invalid(
            name, text, f"must be greater than {least - 1}" if least else "must be greater than or equal to 0"
        )
    return int(text)


def _invalid(field: str, value: str, why: str) -> ApiError:
    return ApiError(422, "Invalid", f'PodLogOptions "" is invalid: {field}: Invalid value: "{value}": {why}')
