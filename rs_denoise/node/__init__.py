"""The ROS 2 node. Apart from it, only `benchmark/ros/` imports rclpy."""
