"""Which APIs there are: C{/api}, C{/apis} and below, in the plain form and in the aggregated one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .kinds import Kind, Kinds
from .objects import Object, group_version
from .status import no_such_path

_GROUP_ORDER = ("apiregistration.k8s.io", "apps", "batch")
AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class RemoteGroup:
    """
    A group that another server answers for.

    @ivar versions: C{APIVersionDiscovery} objects of aggregated discovery, the preferred one first.
    """

    name: str
    versions: tuple[Object, ...]


class Discovery:
    """
    Answers discovery from what is served now.

    @ivar remote: the groups of aggregated servers.
    """

    def __init__(self, kinds: Kinds, address: str) -> None:
        self._kinds = kinds
        self._address = address
        self.remote: Callable[[], Iterable[RemoteGroup]] = lambda: ()

    def api(self) -> Object:
        """C{/api}."""
        clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}]
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": clients}

    def groups(self) -> Object:
        """C{/apis}."""
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}

    def group(self, name: str) -> Object:
        """
        C{/apis/GROUP}.

        @raise ApiError: 404.
        """
        for group in self._groups():
            if group["name"] == name:
                return {"kind": "APIGroup", "apiVersion": "v1", **group}
        raise no_such_path()

    def _groups(self) -> list[Object]:
        local = {name: versions for name, versions in self._kinds.groups().items() if name}
        for remote in self.remote():
            local.setdefault(remote.name, []).extend(version["version"] for version in remote.versions)
        found = []
        for name in sorted(local, key=_order):
            versions = [{"groupVersion": group_version(name, version), "version": version} for version in local[name]]
            found.append({"name": name, "versions": versions, "preferredVersion": versions[0]})
        return found

    def has(self, group: str, version: str) -> bool:
        """Is this version served here?"""
        return bool(self._kinds.of_version(group, version))

    def resources(self, group: str, version: str) -> Object:
        """
        C{/api/v1} or C{/apis/GROUP/VERSION}.

        @raise ApiError: 404.
        """
        kinds = self._kinds.of_version(group, version)
        if not kinds:
            raise no_such_path()
        listed = [entry for kind in kinds for entry in _resource(kind)]
        listed.sort(key=lambda entry: entry["name"])
        head: Object = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
        return head | {"groupVersion": group_version(group, version), "resources": listed}

    def aggregated(self, core: bool, version: str) -> Object:
        """
        C{/api} or C{/apis} as an C{APIGroupDiscoveryList}.

        @param version: C{v2} or C{v2beta1}.
        """
        items = []
        for group, versions in sorted(self._kinds.groups().items(), key=lambda one: _order(one[0])):
            if bool(group) is not core:
                served = [self._version(group, one) for one in versions]
                items.append({"metadata": {"name": group} if group else {}, "versions": served})
        if not core:
            items += [{"metadata": {"name": one.name}, "versions": list(one.versions)} for one in self.remote()]
        head: Object = {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}"}
        return head | {"metadata": {}, "items": items}

    def _version(self, group: str, version: str) -> Object:
        resources = [_aggregated(kind) for kind in self._kinds.of_version(group, version)]
        return {"version": version, "resources": resources, "freshness": "Current"}


def _order(group: str) -> tuple[int, str]:
    return (_GROUP_ORDER.index(group) if group in _GROUP_ORDER else len(_GROUP_ORDER), group)


def _resource(kind: Kind) -> list[Object]:
    own: Object = {"name": kind.resource, "singularName": kind.single, "namespaced": kind.namespaced, "kind": kind.kind}
    own["verbs"] = list(kind.verbs)
    if kind.short:
        own["shortNames"] = list(kind.short)
    if kind.categories:
        own["categories"] = list(kind.categories)
    entries = [own]
    for sub in kind.subresources:
        entry: Object = {"name": f"{kind.resource}/{sub.name}", "singularName": "", "namespaced": kind.namespaced}
        if sub.version:
            entry |= {"group": sub.group, "version": sub.version}
        entries.append(entry | {"kind": sub.kind, "verbs": list(sub.verbs)})
    return entries


def _response(kind: str, group: str = "", version: str = "") -> Object:
    return {"group": group, "version": version, "kind": kind}


def _aggregated(kind: Kind) -> Object:
    # Built-in kinds leave out what is the same as of the version that they are listed in.
    own = (kind.group, kind.version) if kind.custom else ("", "")
    entry: Object = {"resource": kind.resource, "responseKind": _response(kind.kind, *own)}
    entry |= {"scope": "Namespaced" if kind.namespaced else "Cluster", "singularResource": kind.single}
    entry["verbs"] = list(kind.verbs)
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": _response(sub.kind, *((sub.group, sub.version) if sub.version else own)),
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return entry
