from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.selectors import field_matcher, label_matcher, matches_selector
from clustergateway.sandbox.status import ApiError


class LabelTests(SynchronousTestCase):
    def matching(self, selector: str) -> list[str]:
        things = {"1": {"n": "1"}, "2": {"n": "2", "x": ""}, "none": {}}
        matches = label_matcher(selector)
        return [name for name, labels in things.items() if matches({"metadata": {"labels": labels}})]

    def test_operators(self) -> None:
        for selector, wanted in (
            ("", ["1", "2", "none"]),
            ("n=1", ["1"]),
            ("n == 1", ["1"]),
            ("n!=1", ["2", "none"]),
            ("n", ["1", "2"]),
            ("!n", ["none"]),
            ("n in (1, 2)", ["1", "2"]),
            ("n notin (1)", ["2", "none"]),
            ("n>1", ["2"]),
            ("n<2", ["1"]),
            ("n,x", ["2"]),
            ("x=", ["2"]),
        ):
            self.assertEqual(self.matching(selector), wanted, selector)

    def test_malformed(self) -> None:
        for selector in ("!!", "a=b=c", "a in b", "a in (b", "a b", "=a", "a>x", ",", "a,,b"):
            error = self.assertRaises(ApiError, label_matcher, selector)
            self.assertEqual(error.code, 400, selector)

    def test_words(self) -> None:
        error = self.assertRaises(ApiError, label_matcher, "!!")
        self.assertEqual(error.message, "unable to parse requirement: found '!', expected: identifier")

    def test_selector_objects(self) -> None:
        labels = {"a": "b", "c": "d"}
        self.assertFalse(matches_selector({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, labels))
        expressions = [{"key": "c", "operator": "In", "values": ["d"]}, {"key": "e", "operator": "DoesNotExist"}]
        self.assertTrue(matches_selector({"matchLabels": {"a": "b"}, "matchExpressions": expressions}, labels))
        self.assertFalse(matches_selector({"matchLabels": {"a": "x"}}, labels))
        self.assertTrue(matches_selector({}, labels))
        self.assertFalse(matches_selector(None, labels))


class FieldTests(SynchronousTestCase):
    def test_fields(self) -> None:
        pod = {"metadata": {"name": "a"}, "status": {"phase": "Running"}, "spec": {"hostNetwork": True}}
        for selector, wanted in (
            ("status.phase=Running", True),
            ("status.phase!=Running", False),
            ("metadata.name==a,spec.hostNetwork=true", True),
            ("spec.nodeName=", True),
            ("", True),
        ):
            self.assertIs(field_matcher(selector, "", "pods")(pod), wanted, selector)

    def test_unknown(self) -> None:
        error = self.assertRaises(ApiError, field_matcher, "spec.x=1", "", "pods")
        self.assertEqual(error.message, "field label not supported: spec.x")
        error = self.assertRaises(ApiError, field_matcher, "type=1", "", "configmaps")
        known = 'only "metadata.name", "metadata.namespace"'
        self.assertEqual(error.message, f'"type" is not a known field selector: {known}')

    def test_malformed(self) -> None:
        error = self.assertRaises(ApiError, field_matcher, "name", "", "configmaps")
        self.assertEqual(error.code, 400)
