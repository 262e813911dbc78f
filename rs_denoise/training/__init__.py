"""Trains networks on frames with ground truth, and exports them to model files."""
