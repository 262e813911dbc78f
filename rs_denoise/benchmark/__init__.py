"""How fast the core and the node are. Only `benchmark/ros/` imports rclpy."""
