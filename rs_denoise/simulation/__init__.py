"""A simulated active-stereo camera: scenes, light, imagers and matcher.

Read `simulate.py` first: scene -> two infrared images -> matched depth.
"""
