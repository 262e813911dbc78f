"""Several recordings: their mean, their ranking, and the comparison of two runs."""
