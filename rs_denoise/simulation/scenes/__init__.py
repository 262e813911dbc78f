"""The simulated scenes: places (from rooms to outdoors), objects and materials."""
