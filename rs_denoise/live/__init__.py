"""Denoises frames from librealsense live and shows them next to the camera's."""
