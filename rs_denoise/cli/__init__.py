"""The program `rs_denoise`: one module a command, each a thin face on the library."""
