"""Denoises RealSense depth in real time; start reading at `denoiser.py`."""
