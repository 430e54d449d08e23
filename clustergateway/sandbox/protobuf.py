"""
Request bodies in Kubernetes' protobuf encoding, read into the same objects as JSON: kubectl's typed clients write
nothing else. Answers are always JSON, which those clients accept too.

C{protobuf.json} lists the field numbers of the messages: C{"core.v1.Pod": ["1 metadata meta.v1.ObjectMeta", ...]}.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from .objects import Object, timestamp
from .status import bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INLINE = frozenset({"volumeSource", "handler", "localObjectReference", "ephemeralContainerCommon"})
"""Fields whose members JSON shows beside their siblings."""
_KEPT = frozenset(
    {
        "replicas", "parallelism", "completions", "backoffLimit", "terminationGracePeriodSeconds",
        "gracePeriodSeconds", "expirationSeconds", "ttlSecondsAfterFinished", "revisionHistoryLimit",
        "activeDeadlineSeconds", "tolerationSeconds", "defaultMode", "mode", "runAsUser", "runAsGroup",
        "fsGroup", "automountServiceAccountToken", "allowPrivilegeEscalation", "runAsNonRoot", "privileged",
        "readOnlyRootFilesystem", "immutable", "optional", "controller", "blockOwnerDeletion",
        "orphanDependents", "enableServiceLinks", "hostUsers", "setHostnameAsFQDN", "suspend",
        "shareProcessNamespace", "leaseDurationSeconds", "leaseTransitions",
    }
)  # fmt: skip
"""Numbers and booleans that mean something when zero; the other zeros are only how protobuf writes absence."""
_PACKAGES = {"rbac.authorization.k8s.io": "rbac", "": "core"}


class _Malformed(Exception):
    """Not protobuf, or not of the message that it should be."""


@cache
def _messages() -> dict[str, dict[int, tuple[str, str, str]]]:
    text = resources.files(__package__).joinpath("protobuf.json").read_text("utf-8")
    return {name: dict(map(_field, fields)) for name, fields in json.loads(text).items()}


def _field(written: str) -> tuple[int, tuple[str, str, str]]:
    number, name, *rest = written.split(" ")
    return int(number), (name, rest[0] if len(rest) == 2 else "", rest[-1])


def decoded(body: bytes) -> Object:
    """
    @return: an object, with its apiVersion and kind.
    @raise ApiError: 400, it cannot be read.
    """
    try:
        return _decoded(body)
    except (_Malformed, UnicodeDecodeError) as error:
        raise bad_request(f"the object provided is unrecognized: protobuf: {error}") from None


def _decoded(body: bytes) -> Object:
    if not body.startswith(MAGIC):
        raise _Malformed("does not begin with the magic number")
    api_version = kind = ""
    raw = b""
    for number, _, value in _fields(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            about = {inner: one for inner, _, one in _fields(value) if isinstance(one, bytes)}
            api_version, kind = about.get(1, b"").decode(), about.get(2, b"").decode()
        elif number == 2 and isinstance(value, bytes):
            raw = value
    group, _, version = api_version.rpartition("/")
    package = _PACKAGES.get(group) or group.partition(".")[0]
    for name in (f"{package}.{version}.{kind}", f"meta.v1.{kind}"):
        if name in _messages():
            return {"kind": kind, "apiVersion": api_version, **_message(name, raw)}
    raise _Malformed(f"no message for {kind} in {api_version}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7
    raise _Malformed("a number does not end")


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Field number, wire type and value of everything in a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise _Malformed(f"wire type {wire}")
        if at + length > len(data):
            raise _Malformed("a field is cut short")
        yield number, wire, data[at : at + length]
        at += length


def _message(name: str, data: bytes) -> Any:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data)
    known = _messages()[name]
    found: Object = {}
    for number, _, value in _fields(data):
        if number not in known:
            continue
        key, many, kind = known[number]
        if many == "map":
            entry = {inner: one for inner, _, one in _fields(_bytes(value))}
            found.setdefault(key, {})[_bytes(entry.get(1, b"")).decode()] = _value(kind, entry.get(2, b""))
        elif many == "repeated":
            found.setdefault(key, []).append(_value(kind, value))
        elif key in _INLINE:
            found |= _value(kind, value)
        else:
            read = _value(kind, value)
            if read or isinstance(read, dict) or (read is not None and key in _KEPT):
                found[key] = read
    return found


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _Malformed("a number where bytes belong")
    return value


def _value(kind: str, value: int | bytes) -> Any:
    if kind in ("int32", "int64", "bool"):
        if not isinstance(value, int):
            raise _Malformed("bytes where a number belongs")
        if kind == "bool":
            return bool(value)
        return value - (1 << 64) if value >= 1 << 63 else value
    data = _bytes(value)
    if kind == "string":
        return data.decode("utf-8")
    if kind == "bytes":
        return base64.b64encode(data).decode()
    return _message(kind, data)


def _time(data: bytes) -> str | None:
    values = {number: value for number, _, value in _fields(data) if isinstance(value, int)}
    return timestamp(values.get(1, 0)) if values.get(1) else None


def _micro_time(data: bytes) -> str | None:
    values = {number: value for number, _, value in _fields(data) if isinstance(value, int)}
    if not values.get(1):
        return None
    return timestamp(values[1])[:-1] + f".{values.get(2, 0) // 1000:06d}Z"


def _int_or_string(data: bytes) -> int | str:
    values = {number: value for number, _, value in _fields(data)}
    if values.get(1):
        return _bytes(values.get(3, b"")).decode()
    number = values.get(2, 0)
    return number if isinstance(number, int) else 0


def _first(data: bytes) -> bytes:
    return next((_bytes(value) for number, _, value in _fields(data) if number == 1), b"")


def _raw_json(data: bytes) -> Any:
    try:
        return json.loads(_first(data) or b"{}")
    except ValueError:
        raise _Malformed("a field is not JSON") from None


def _strings(data: bytes) -> list[str]:
    return [_bytes(value).decode() for _, _, value in _fields(data)]


_SPECIAL = {
    "meta.v1.Time": _time,
    "meta.v1.MicroTime": _micro_time,
    "meta.v1.FieldsV1": _raw_json,
    "util.intstr.IntOrString": _int_or_string,
    "api.resource.Quantity": lambda data: _first(data).decode(),
    "authentication.v1.ExtraValue": _strings,
    "authorization.v1.ExtraValue": _strings,
}
"""Messages that JSON writes as something else."""
