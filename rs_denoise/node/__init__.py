"""The ROS 2 side: nothing outside this package imports rclpy."""
