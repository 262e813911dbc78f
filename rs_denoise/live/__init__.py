"""Frames straight from librealsense, denoised as they come and shown beside the camera's."""
