"""What stands before the camera: places (rooms to outdoors), the things in them, materials."""
