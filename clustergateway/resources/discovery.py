"""C{/api}, C{/apis} and what is below, up to the resources of this group."""

from __future__ import annotations

from twisted.web.resource import Resource

from ..model.discovery import AGGREGATED, aggregated, api_group, api_group_list, api_resource_list, api_versions
from ..model.negotiation import Transform
from ..model.objects import VERSION, Object
from ..model.secrets import GROUP
from .documents import Documents
from .guarded import Guard


def core(guard: Guard) -> Resource:
    """C{/api}."""
    return Documents(guard, api_versions(), _aggregated(core=True))


def groups(guard: Guard, resources: Resource) -> Resource:
    """
    C{/apis}, with the group and its version below it.

    @param resources: C{/apis/GROUP/VERSION}, as L{resource_list} makes it.
    """
    found = Documents(guard, api_group_list(), _aggregated(core=False))
    group = Documents(guard, api_group())
    found.putChild(GROUP.encode("ascii"), group)
    group.putChild(VERSION.encode("ascii"), resources)
    return found


def resource_list(guard: Guard) -> Resource:
    """C{/apis/GROUP/VERSION}, still without the resources themselves below it."""
    return Documents(guard, api_resource_list())


def _aggregated(*, core: bool) -> dict[Transform, Object]:
    return {transform: aggregated(transform[2], core=core) for transform in AGGREGATED}
