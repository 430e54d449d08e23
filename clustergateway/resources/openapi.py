"""C{/openapi/v2} and C{/openapi/v3}."""

from __future__ import annotations

from twisted.web.resource import Resource

from ..model.openapi import GROUP_PATH, openapi_v2, openapi_v3, openapi_v3_index
from ..model.openapiprotobuf import FORMER_MEDIA_TYPE, MEDIA_TYPE, openapi_v2_protobuf
from .documents import Document, Documents
from .guarded import Guard, Missing


def openapi(guard: Guard, version: str) -> Resource:
    """
    C{/openapi} and everything below it. Only its leaves and the index of version 3 are there to be read.

    @param version: of this project.
    """
    document = Documents(guard, openapi_v3(version))
    index = Documents(guard, openapi_v3_index(document.digest))
    below: Resource = index
    *folders, last = GROUP_PATH.split("/")
    for folder in folders:
        child = Branch(guard)
        below.putChild(folder.encode("ascii"), child)
        below = child
    below.putChild(last.encode("ascii"), document)
    top = Branch(guard)
    two = openapi_v2(version)
    protobuf = Document.holding(openapi_v2_protobuf(two), MEDIA_TYPE)
    encoded = {MEDIA_TYPE: protobuf, FORMER_MEDIA_TYPE: protobuf}
    top.putChild(b"v2", Documents(guard, two, encoded=encoded))
    top.putChild(b"v3", index)
    return top


class Branch(Missing):
    """A part of a path at which there is nothing itself."""

    isLeaf = False
