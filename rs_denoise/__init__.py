"""Depth of RealSense cameras, denoised in real time; `denoiser.py` is the page to start from."""
