"""What an object may be called, and names and uids made up for those that ask."""

from __future__ import annotations

import random
import re
import uuid

from .kinds import Kind
from .objects import Object
from .status import Cause, invalid_value, required_value

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and "
    f"end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_DNS_1035}')"
)
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def name_problems(kind: Kind, name: str) -> list[Cause]:
    """What is wrong with a name; nothing if it is good."""
    where = "metadata.name"
    if not name:
        return [required_value(where, "name or generateName is required")]
    if kind.group == "rbac.authorization.k8s.io":
        bad = name in (".", "..") or "/" in name or "%" in name
        return [invalid_value(where, name, "may not contain '/' or '%'")] if bad else []
    if kind.group == "" and kind.resource == "namespaces":
        pattern, rule, most = _LABEL, _LABEL_RULE, 63
    elif kind.group == "" and kind.resource == "services":
        pattern, rule, most = _DNS_1035, _DNS_1035_RULE, 63
    else:
        pattern, rule, most = _SUBDOMAIN, _SUBDOMAIN_RULE, 253
    problems = [] if re.fullmatch(pattern, name) else [invalid_value(where, name, rule)]
    if len(name) > most:
        problems.append(invalid_value(where, name, f"must be no more than {most} bytes"))
    return problems


_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)


def label_problems(meta: Object) -> list[Cause]:
    """What is wrong with the values of an object's labels."""
    return [
        invalid_value("metadata.labels", value, _LABEL_VALUE_RULE)
        for value in (meta.get("labels") or {}).values()
        if not re.fullmatch(_LABEL_VALUE, value)
    ]


def new_uid(source: random.Random) -> str:
    """A version 4 UUID."""
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def generated(prefix: str, source: random.Random) -> str:
    """A name from C{generateName}: the prefix, cut to 58 characters, and five characters that spell no word."""
    return prefix[:58] + "".join(source.choice(_SUFFIX) for _ in range(5))
