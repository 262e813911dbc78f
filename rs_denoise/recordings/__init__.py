"""Recordings on disk, read as frames and written: `recording.open_recording` opens any of them."""
