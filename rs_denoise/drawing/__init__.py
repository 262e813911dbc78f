"""Depth as people look at it: in colours, and as a point cloud that turns."""
