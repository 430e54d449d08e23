from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.accept import Wanted, media_ranges, negotiate, wants_aggregated
from clustergateway.sandbox.status import ApiError

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class NegotiateTests(SynchronousTestCase):
    def test_what_clients_send(self) -> None:
        for accept, wanted in (
            ("", Wanted()),
            ("*/*", Wanted()),
            (f"{_TABLE},application/json", Wanted("Table")),
            ("application/vnd.kubernetes.protobuf,application/json", Wanted()),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Wanted()),
            ("application/yaml", Wanted(yaml=True)),
            ("application/yaml;q=0.5, application/json", Wanted()),
        ):
            self.assertEqual(negotiate(accept), wanted, accept)

    def test_nothing_fits(self) -> None:
        for accept in ("text/html", "application/vnd.kubernetes.protobuf", "application/json;as=X;v=v1;g=meta.k8s.io"):
            error = self.assertRaises(ApiError, negotiate, accept)
            self.assertEqual(error.code, 406)

    @given(st.text('application/json;as=Table,q=0.1*" ', max_size=40))
    def test_fails_in_no_other_way(self, accept: str) -> None:
        list(media_ranges(accept))
        try:
            negotiate(accept)
        except ApiError as error:
            self.assertEqual(error.code, 406)

    def test_aggregated(self) -> None:
        def form(version: str) -> str:
            return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"

        self.assertEqual(wants_aggregated(f"{form('v2')},{form('v2beta1')},application/json"), "v2")
        self.assertEqual(wants_aggregated(f"{form('v9')},{form('v2beta1')}"), "v2beta1")
        self.assertEqual(wants_aggregated(f"application/json,{form('v2')}"), "")
        self.assertEqual(wants_aggregated("*/*"), "")
