"""The frame pipeline: pairs images, denoises the newest frame, keeps order. Without ROS."""
