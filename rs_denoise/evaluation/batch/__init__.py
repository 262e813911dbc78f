"""Several recordings: their mean, which is worst, and how two runs over them differ."""
