"""Accept headers of real clients, and of unreal ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import NotAcceptable
from clustergateway.model.negotiation import JSON, PLAIN, YAML, Wanted, negotiate

TABLE = ("Table", "meta.k8s.io", "v1")


class NegotiationTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        for accept, expected in [
            ("", Wanted(JSON)),
            ("*/*", Wanted(JSON)),
            ("application/*", Wanted(JSON)),
            ("Application/JSON; charset=utf-8", Wanted(JSON)),
            ("application/yaml", Wanted(YAML)),
            ("application/yaml;q=0.5, application/json;q=0.6", Wanted(JSON)),
            ("application/json;q=0, */*", Wanted(JSON)),
            ("text/html, application/yaml;q=0.9, */*;q=0.8", Wanted(YAML)),
            ("application/vnd.kubernetes.protobuf, application/json", Wanted(JSON)),
            ("application/json;pretty=1", Wanted(JSON, PLAIN, True)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", Wanted(JSON, TABLE)),
            ('application/json; as="Table" ;g=meta.k8s.io; v=v1', Wanted(JSON, TABLE)),
            ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Wanted(JSON)),
            ("application/json;as=Other,application/json;as=Table;v=v1;g=meta.k8s.io", Wanted(JSON, TABLE)),
            ("application/json;profile=nopeer;as=Table;v=v1;g=meta.k8s.io", Wanted(JSON, TABLE)),
        ]:
            self.assertEqual(negotiate(accept, [TABLE]), expected, accept)

    def test_not_acceptable(self) -> None:
        for accept in (
            "application/vnd.kubernetes.protobuf",
            "text/html",
            "application/json;q=0",
            "application/json;as=Other;v=v1;g=meta.k8s.io",
            ",",
        ):
            error = self.assertRaises(NotAcceptable, negotiate, accept, [TABLE])
            self.assertIn("application/json, application/yaml", error.message)

    def test_only_what_is_offered(self) -> None:
        self.assertRaises(NotAcceptable, negotiate, "application/yaml", (), (JSON,))
        self.assertRaises(NotAcceptable, negotiate, "application/json;as=Table;v=v1;g=meta.k8s.io")

    @given(st.text(st.sampled_from('application/json*,;q=0.1nan-e5as=Table "')))
    def test_fails_in_no_other_way(self, accept: str) -> None:
        try:
            negotiate(accept, [TABLE])
        except NotAcceptable:
            pass
