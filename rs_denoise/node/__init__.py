"""The ROS 2 node. Beside it only `benchmark/ros/` imports rclpy."""
