from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import Configuration, Egress
from clustergateway.model.addoncluster import account, account_type, covers, gateway_secret, is_ours, stamped
from clustergateway.model.gateway import TokenCredential
from clustergateway.model.secrets import gateway_from_secret

from .pki import authority
from .test_addon import JSON

IT = Configuration("it", 1, "gateway:1", "install", "clusters")
PROXIED = Configuration("it", 1, "gateway:1", "install", "clusters", egress=Egress("proxy"))


def token(**data: str) -> dict[str, Any]:
    return {"data": data}


class GatewaySecretTests(SynchronousTestCase):
    def test_the_gateway_understands_it(self) -> None:
        pem = base64.b64encode(authority().certificate).decode()
        for configuration in (IT, PROXIED):
            secret = gateway_secret(configuration, "east", token(token="dDE=", **{"ca.crt": pem}))
            assert secret is not None
            found = gateway_from_secret(secret, endpoint_required=False)
            assert found is not None
            self.assertEqual((found.name, found.credential), ("east", TokenCredential("t1")))
            self.assertEqual(any(each.via_cluster_proxy for each in found.endpoints), configuration is PROXIED)

    def test_incomplete(self) -> None:
        for data in ({}, {"token": "dDE="}, {"ca.crt": "QQ=="}, {"token": "", "ca.crt": "QQ=="}):
            self.assertIsNone(gateway_secret(IT, "east", token(**data)))
        self.assertIsNone(gateway_secret(IT, "east", {"data": None}))

    def test_ours(self) -> None:
        secret = gateway_secret(IT, "east", token(token="dDE=", **{"ca.crt": "QQ=="}))
        assert secret is not None
        self.assertTrue(is_ours(secret))
        self.assertTrue(is_ours(account(IT, "east")))
        self.assertFalse(is_ours({"metadata": {"labels": None}}))
        self.assertFalse(is_ours({}))

    def test_account_s_path(self) -> None:
        self.assertEqual(
            account_type("v1alpha1").path("a", "east"),
            "/apis/authentication.open-cluster-management.io/v1alpha1/namespaces/east/managedserviceaccounts/a",
        )


class StampedTests(SynchronousTestCase):
    def test_what_is_gone_shows(self) -> None:
        more = stamped({"metadata": {"name": "a", "annotations": {"kept": "yes"}}, "spec": {"a": 1, "b": 2}})
        less = stamped({"metadata": {"name": "a", "annotations": {"kept": "yes"}}, "spec": {"a": 1}})
        self.assertFalse(covers(more, less))
        self.assertTrue(covers(less, less))
        self.assertEqual(more["metadata"]["annotations"]["kept"], "yes")


class CoversTests(SynchronousTestCase):
    def test_more_is_no_harm(self) -> None:
        self.assertTrue(covers({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1}}))

    def test_less_is(self) -> None:
        others: tuple[Any, ...] = ({}, {"a": None}, {"a": {"b": 2}}, {"a": []}, None)
        for actual in others:
            self.assertFalse(covers(actual, {"a": {"b": 1}}))

    def test_lists(self) -> None:
        self.assertTrue(covers([{"a": 1, "b": 2}], [{"a": 1}]))
        others: tuple[Any, ...] = ([], [{"a": 1}, {"a": 2}], [{"a": 2}], {"a": 1})
        for actual in others:
            self.assertFalse(covers(actual, [{"a": 1}]))

    @given(JSON)
    def test_itself(self, value: object) -> None:
        self.assertTrue(covers(value, value))

    @given(st.dictionaries(st.text(), JSON), st.dictionaries(st.text(), JSON))
    def test_merged(self, less: dict[str, Any], more: dict[str, Any]) -> None:
        self.assertTrue(covers({**more, **less}, less))
