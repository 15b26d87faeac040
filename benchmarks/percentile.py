"""What a column `p95` means in every table: the nearest rank."""

from __future__ import annotations

import math
from collections.abc import Sequence


def p95(taken: Sequence[float]) -> float:
    """The smallest value that at least 95 of 100 do not exceed: of 20 the 19th, of fewer the longest."""
    return sorted(taken)[math.ceil(0.95 * len(taken)) - 1]
