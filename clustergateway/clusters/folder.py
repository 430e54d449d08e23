"""Clusters from a folder of Secret manifests, followed as the files change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ..errors import ConfigurationError
from ..model.gateway import ClusterGateway
from ..model.manifest import documents, objects
from ..model.secrets import gateway_from_secret
from ..transport.files import Signature, cause, read_file, signature
from .files import FileDirectory

SUFFIXES = (".yaml", ".yml", ".json")
NO_PROBLEMS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Content:
    """
    What one file amounts to.

    @ivar gateways: name -> gateway, in the order of the file.
    @ivar problems: place in the file (C{"document 2"}, or C{""} for all of it) -> sentence.
    @ivar broken: names of clusters that a broken document means; C{None} among them: of one whose name is not known.
    """

    gateways: Mapping[str, ClusterGateway]
    problems: Mapping[str, str] = field(default_factory=lambda: NO_PROBLEMS)
    broken: frozenset[str | None] = frozenset()


NOTHING = Content({})


class FolderDirectory(FileDirectory):
    """
    A folder of Secret manifests: C{*.yaml}, C{*.yml} and
    C{*.json}, several documents and C{List} kinds in a file. Objects that are no Secret with the credential type label
    are passed over. Hidden files and folders within are not read.

    A file, or a document in it, that cannot be used leaves the clusters that it last described in place, and hides no
    other. A file that loses clusters may be in the middle of being written: they go when it looks the same twice, and
    not as long as it is empty. Where two files describe the same cluster, the first by file name has it.
    """

    def __init__(self, path: str, clock: IReactorTime, interval: float = 1.0) -> None:
        super().__init__(path, clock, interval)
        self._signatures: dict[str, Signature] = {}
        self._contents: dict[str, Content] = {}
        self._shrinking: dict[str, Signature] = {}

    def load(self) -> None:
        try:
            os.listdir(self.path)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"the folder {self.path} cannot be read: {cause(error)}") from None
        self.poll()

    def poll(self) -> None:
        try:
            names = sorted(n for n in os.listdir(self.path) if n.endswith(SUFFIXES) and not n.startswith("."))
        except OSError as error:
            self._report({**self._problems, "": f"the folder cannot be read: {cause(error)}"})
            return
        found = ((name, signature(os.path.join(self.path, name))) for name in names)
        signatures = {name: seen for name, seen in found if seen is not None}
        if signatures == self._signatures and "" not in self._problems:
            return
        shrinking, self._shrinking = self._shrinking, {}
        contents: dict[str, Content] = {}
        for name, seen in signatures.items():
            last = self._contents.get(name, NOTHING)
            if self._signatures.get(name) == seen:
                contents[name] = last
                continue
            contents[name] = content = self._read(name, last)
            if last.gateways.keys() - content.gateways.keys() and shrinking.get(name) != seen:
                self._shrinking[name] = seen
                contents[name] = last
                signatures[name] = self._signatures[name]
        self._contents = contents
        self._signatures = signatures
        self._publish()

    def _read(self, name: str, last: Content) -> Content:
        path = os.path.join(self.path, name)
        try:
            text = read_file(path)
            content = parse_manifests(text)
            modified = datetime.fromtimestamp(int(os.stat(path).st_mtime), timezone.utc)
        except (ConfigurationError, OSError) as error:
            return replace(last, problems={"": f"it cannot be read: {cause(error)}"})
        if last.gateways and not text.strip():
            return replace(last, problems={"": "it is empty: the clusters it described stay until it is deleted"})
        when = modified.strftime("%Y-%m-%dT%H:%M:%SZ")
        fresh = {n: _created(gateway, last.gateways.get(n), when) for n, gateway in content.gateways.items()}
        kept = {
            name: gateway
            for name, gateway in last.gateways.items()
            if name not in fresh and (name in content.broken or None in content.broken)
        }
        return replace(content, gateways=fresh | kept)

    def _publish(self) -> None:
        owners: dict[str, str] = {}
        gateways: list[ClusterGateway] = []
        problems: dict[str, str] = {}
        for file, content in self._contents.items():
            for where, sentence in content.problems.items():
                problems[f"{file} {where}".rstrip()] = sentence
            for name, gateway in content.gateways.items():
                if owners.setdefault(name, file) == file:
                    gateways.append(gateway)
                else:
                    problems[f"{file} {name}"] = f"the cluster {name} is already described in {owners[name]}"
        self._report(problems)
        self.store.replace_all(gateways)


def parse_manifests(text: bytes) -> Content:
    """
    @param text: of one file.
    @raise ConfigurationError: nothing in it can be read.
    """
    gateways: dict[str, ClusterGateway] = {}
    problems: dict[str, str] = {}
    broken: set[str | None] = set()
    found = [item for document in documents(text) for item in objects(document)]
    for number, item in enumerate(found, 1):
        try:
            gateway = _gateway(item)
        except ConfigurationError as error:
            name = _name(item)
            broken.add(name)
            problems[f"document {number}"] = f"{name}: {error.message}" if name else error.message
            continue
        if gateway is not None and gateway.name in gateways:
            problems[f"document {number}"] = f"the cluster {gateway.name} is already described in this file"
        elif gateway is not None:
            gateways[gateway.name] = gateway
    return Content(gateways, problems, frozenset(broken))


def _gateway(item: Any) -> ClusterGateway | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("kind"), str):
        raise ConfigurationError("it is not a Kubernetes object")
    if item.get("kind") != "Secret":
        return None
    return gateway_from_secret(item)


def _name(item: Any) -> str | None:
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name[:253] if isinstance(name, str) and name else None


def _created(gateway: ClusterGateway, last: ClusterGateway | None, when: str) -> ClusterGateway:
    """Manifests rarely say when the cluster came: that is when its file was first seen, as the file's time says."""
    known = gateway.creation_timestamp or (last and last.creation_timestamp) or when
    return replace(gateway, creation_timestamp=known)
