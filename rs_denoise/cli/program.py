"""Ends the programs of this package: an expected error is printed as one sentence."""

from __future__ import annotations

import sys

import typer

# Modules whose errors say what to do; a program run with `python -m` is __main__.
OWN_MODULES = ("rs_denoise", "__main__")


def run(app: typer.Typer, name: str) -> None:
    """Runs `app`; errors of this package and of the system are one message and exit code 2."""
    try:
        app(prog_name=name)
    except (OSError, ValueError, RuntimeError) as error:
        if not type(error).__module__.startswith(OWN_MODULES) and not isinstance(error, OSError):
            raise
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
