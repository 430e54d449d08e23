"""Which contracts are kept where. Each is written once, and becomes a test case in every world that has to keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.trial.unittest import SynchronousTestCase

from . import (
    aggregating,
    as_whom_suite,
    customising,
    discovering,
    hub_disturbed,
    hub_streams,
    hub_suite,
    patching,
    permitting,
    reading,
    watching,
    writing,
)

Contract = type[SynchronousTestCase]


class _Paths(reading.Paths):
    async def test_method(self) -> None:
        """A method that no apiserver has is not passed on to find out."""
        reply = await self.api.call("FOO", f"{self.here}/configmaps")
        self.assertStatus(reply, 501, "NotImplemented", "the method FOO is not implemented")


_PASSED_ON: tuple[Contract, ...] = (
    writing.Creating,
    writing.Updating,
    writing.Deleting,
    patching.Patching,
    patching.Applying,
    reading.Listing,
    reading.Forms,
    watching.Watching,
    customising.Customising,
)

API: tuple[Contract, ...] = (
    *_PASSED_ON,
    writing.Defaulting,
    reading.Paths,
    discovering.Discovering,
    permitting.Permitting,
    aggregating.Aggregating,
    aggregating.Trusting,
)
"""Of an API server that clients reach directly."""

API_THROUGH_GATEWAY: tuple[Contract, ...] = (*_PASSED_ON, _Paths)
"""Of an API server behind a gateway."""

API_ON_STOCK_TLS: tuple[Contract, ...] = (reading.Listing, watching.Watching)
"""Of those, what Twisted's own TLS could break."""

HUB: tuple[Contract, ...] = (
    hub_suite.Installed,
    hub_suite.Discovered,
    hub_suite.Listed,
    hub_suite.Used,
    hub_suite.Allowed,
    hub_suite.Known,
    hub_disturbed.Health,
    hub_disturbed.Rotated,
    hub_disturbed.Restarted,
    hub_disturbed.Frozen,
    hub_disturbed.Replicated,
    hub_streams.StreamedExec,
    hub_streams.StreamedExecSpdy,
    hub_streams.StreamedCopy,
    hub_streams.StreamedCopySpdy,
    hub_streams.StreamedForward,
    hub_streams.StreamedForwardSpdy,
    hub_streams.StreamedPythonClient,
    hub_streams.StreamedLogs,
)
"""Of a gateway behind a hub."""

AS_WHOM: tuple[Contract, ...] = (
    as_whom_suite.Asked,
    as_whom_suite.Constrained,
    as_whom_suite.Named,
    as_whom_suite.Narrow,
    as_whom_suite.Spoofed,
    as_whom_suite.Reloaded,
    as_whom_suite.Audited,
)
"""Of who arrives in a cluster."""


def cases(
    module: str, contracts: Iterable[Contract], make_world: Callable[[], object], kind: str = ""
) -> dict[str, Contract]:
    """
    Test cases for a test module, which updates its C{globals()} with them.

    @param make_world: what the C{make_world} of each is to do.
    @param kind: what their names begin with.
    @return: the test cases by their names.
    """
    found = {}
    for contract in contracts:
        name = f"{kind}{contract.__name__.strip('_')}Tests"
        found[name] = type(name, (contract,), {"__module__": module, "make_world": staticmethod(make_world)})
    return found
