"""The program `rs_denoise`: one module per command, each a thin layer over the library."""
