"""How long to wait before trying again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Delays that grow by a factor with each failure in a row, each shortened by chance so that many who failed together
    do not come back together.

    @ivar first: seconds after the first failure.
    @ivar most: seconds that no delay exceeds.
    @ivar factor: at least 1.
    @ivar spread: largest part of a delay that chance takes off, from 0 to 1.
    """

    first: float
    most: float
    factor: float = 2.0
    spread: float = 0.5

    def delay(self, failures: int, chance: float = 0.0) -> float:
        """
        @param failures: in a row, at least 1.
        @param chance: from 0 to 1, drawn by the caller.
        @return: seconds.
        """
        # 64 doublings are beyond any limit; a larger exponent would overflow.
        delay = min(self.most, self.first * self.factor ** min(failures - 1, 64))
        return delay * (1.0 - self.spread * chance)
