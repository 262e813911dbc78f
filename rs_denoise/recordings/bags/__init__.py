"""Bags of ROS 1, ROS 2 and the RealSense SDK: read as frames, and written, without ROS."""
