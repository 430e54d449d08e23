"""The group that everyone is in who is somebody."""

from __future__ import annotations

from dataclasses import replace

from ..model.identity import ANONYMOUS_USER, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, Identity


def authenticated(who: Identity) -> Identity:
    """
    The same identity in C{system:authenticated}.

    Left alone if it is in there, or is the anonymous user whom a front proxy passes on (k8s.io/apiserver,
    authentication/group C{AuthenticatedGroupAdder}).
    """
    groups = who.groups
    if AUTHENTICATED_GROUP in groups or UNAUTHENTICATED_GROUP in groups or who.user == ANONYMOUS_USER:
        return who
    return replace(who, groups=(*groups, AUTHENTICATED_GROUP))
