"""A simulated active-stereo camera: scenes, light, imagers and matcher.

`simulate.py` is the page to start from: scene -> two infrared images -> matched depth.
"""
