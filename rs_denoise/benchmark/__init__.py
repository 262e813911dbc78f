"""Measures the speed of the core and of the node. Only `benchmark/ros/` imports rclpy."""
