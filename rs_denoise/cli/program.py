"""How a program of this package ends: what the user can mend is a sentence."""

from __future__ import annotations

import sys

import typer

# Errors of our own say what to do; run with `python -m`, a program's own module is __main__.
OURS = ("rs_denoise", "__main__")


def run(app: typer.Typer, name: str) -> None:
    """Runs `app`; an error of ours or of the system is a sentence on stderr and exit code 2."""
    try:
        app(prog_name=name)
    except (OSError, ValueError, RuntimeError) as error:
        if not type(error).__module__.startswith(OURS) and not isinstance(error, OSError):
            raise
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
