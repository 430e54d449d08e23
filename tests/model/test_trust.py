from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.requestheader import RequestHeaderTrust
from clustergateway.model.trust import Trust, parse_trust

DATA = {
    "client-ca-file": "USERS",
    "requestheader-client-ca-file": "FRONT",
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}
VALUES = st.none() | st.integers() | st.text() | st.sampled_from(["[]", '["a"]', "[1]", '[""]', "{}", "["])


class TrustTests(SynchronousTestCase):
    def test_as_kubeadm_writes_it(self) -> None:
        trust = parse_trust({"data": DATA})
        self.assertEqual(trust, Trust(b"USERS", RequestHeaderTrust(b"FRONT", ("front-proxy-client",))))
        self.assertEqual(trust.bundle(), b"USERS\nFRONT")

    def test_uid_only_if_the_hub_knows_it(self) -> None:
        trust = parse_trust({"data": {**DATA, "requestheader-uid-headers": '["X-Remote-Uid"]'}})
        assert trust.requestheader is not None
        self.assertEqual(trust.requestheader.uid_headers, ("X-Remote-Uid",))

    def test_nothing(self) -> None:
        for config_map in ({}, {"data": None}, {"data": {"client-ca-file": " \n"}}):
            self.assertEqual(parse_trust(config_map), Trust())
        self.assertEqual(Trust().bundle(), b"")

    def test_an_empty_allowed_name_does_not_open_the_door(self) -> None:
        trust = parse_trust({"data": {**DATA, "requestheader-allowed-names": '[""]'}})
        assert trust.requestheader is not None
        self.assertEqual(trust.requestheader.allowed_names, ("",))

    def test_errors_name_the_key(self) -> None:
        for key, value in (
            ("client-ca-file", 1),
            ("requestheader-allowed-names", "front"),
            ("requestheader-allowed-names", '"front"'),
            ("requestheader-group-headers", "[1]"),
            ("requestheader-extra-headers-prefix", '[""]'),
        ):
            error = self.assertRaises(ConfigurationError, parse_trust, {"data": {**DATA, key: value}})
            self.assertIn(key, error.message)
        self.assertRaises(ConfigurationError, parse_trust, {"data": []} | {"data": [1]})

    @given(st.fixed_dictionaries(dict.fromkeys(DATA, VALUES)))
    def test_fails_in_no_other_way(self, data: dict[str, Any]) -> None:
        try:
            parse_trust({"data": data})
        except ConfigurationError:
            pass
