"""Is it better, and is it safe? Metrics compute, `evaluate` applies them, the CLI prints."""
