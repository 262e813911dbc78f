"""Charts of one frame, drawn by matplotlib."""
