"""Reads recordings as frames, and writes them; `recording.open_recording` opens any kind."""
