"""Draws depth in colours, and as a rotating point cloud."""
