"""How fast a network learns, step by step."""

from __future__ import annotations

import math

WARM_UP = 0.1
FIRST = 0.04


def share_of_learning_rate(step: int, total_steps: int) -> float:
    """Up in a line over the first tenth, then down to 0 along a cosine."""
    share = min(step / total_steps, 1.0)
    if share < WARM_UP:
        return FIRST + (1 - FIRST) * share / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))
