"""Averages that are NaN where there is nothing to average."""

from __future__ import annotations

import math

import numpy as np


def percentage(part: np.ndarray, whole: np.ndarray) -> float:
    """How many percent of the pixels of one mask another has."""
    total = np.count_nonzero(whole)
    return 100.0 * np.count_nonzero(part) / total if total else math.nan


def mean(values: np.ndarray) -> float:
    """The mean, NaN of nothing."""
    return float(np.mean(values)) if values.size else math.nan


def median(values: np.ndarray) -> float:
    """The median, NaN of nothing."""
    return float(np.median(values)) if values.size else math.nan


def mean_over_frames(scores: list[dict[str, float]]) -> dict[str, float]:
    """Each figure's mean over the frames that have it; NaN where none has."""
    if not scores:
        return {}
    return {key: mean(np.array([s[key] for s in scores if s[key] == s[key]])) for key in scores[0]}
