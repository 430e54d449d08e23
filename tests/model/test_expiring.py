from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.expiring import ExpiringCache


class ExpiringCacheTests(SynchronousTestCase):
    def test_until(self) -> None:
        cache: ExpiringCache[str, int] = ExpiringCache(2)
        cache.put("a", 1, 10.0)
        self.assertEqual(cache.get("a", 9.9), 1)
        self.assertIsNone(cache.get("a", 10.0))
        self.assertEqual(len(cache), 0)

    def test_bounded(self) -> None:
        cache: ExpiringCache[int, int] = ExpiringCache(3)
        for key in range(10):
            cache.put(key, key, 100.0)
        self.assertEqual([cache.get(key, 0.0) for key in range(6, 10)], [None, 7, 8, 9])

    def test_put_again_counts_as_new(self) -> None:
        cache: ExpiringCache[str, int] = ExpiringCache(2)
        for key in ("a", "b", "a", "c"):
            cache.put(key, 1, 100.0)
        self.assertEqual((cache.get("a", 0.0), cache.get("b", 0.0)), (1, None))

    def test_clear(self) -> None:
        cache: ExpiringCache[str, int] = ExpiringCache(1)
        cache.put("a", 1, 100.0)
        cache.clear()
        self.assertIsNone(cache.get("a", 0.0))

    def test_no_room_at_all(self) -> None:
        self.assertRaises(ValueError, ExpiringCache, 0)
