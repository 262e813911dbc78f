"""An evaluation as one HTML file that opens offline: is it better, where, and is it safe."""
