"""Averages that are NaN where there is nothing to average."""

from __future__ import annotations

import math

import numpy as np


def percentage(part: np.ndarray, whole: np.ndarray) -> float:
    """The number of pixels of one mask in percent of another's."""
    total = np.count_nonzero(whole)
    return 100.0 * np.count_nonzero(part) / total if total else math.nan


def mean(values: np.ndarray) -> float:
    """The mean; NaN if there are no values."""
    return float(np.mean(values)) if values.size else math.nan


def median(values: np.ndarray) -> float:
    """The median; NaN if there are no values."""
    return float(np.median(values)) if values.size else math.nan
