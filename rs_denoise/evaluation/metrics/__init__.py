"""What is measured: of one frame, or gathered over a recording. Nothing here prints or draws."""
