"""Runs the programs of this package; an error is printed as one sentence."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TextIO

import typer

from rs_denoise.memory import tune_malloc
from rs_denoise.missing_package import explain_missing_package

# Modules whose errors say what to do; a program run with `python -m` is __main__.
OWN_MODULES = ("rs_denoise", "__main__")
# Set to 1 to see the traceback of an error.
TRACEBACK = "RS_DENOISE_TRACEBACK"


def run(app: typer.Typer, name: str) -> None:
    """Runs `app`; an error of any kind is one message and exit code 2.

    Errors of this package and of the system say what to do. For unexpected errors the message gives
    the command with its files, and how to see the traceback.
    """
    tune_malloc()
    _print_every_name(sys.stdout)
    try:
        app(prog_name=name)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        print(f"{name}: {describe_error(error, name)}", file=sys.stderr)
        sys.exit(2)


def _print_every_name(stream: TextIO) -> None:
    """Lets a stream print escapes for what it cannot encode, such as a file name of another system.

    Otherwise the program would end with an error after its work is done.
    """
    if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


def describe_error(error: BaseException, name: str) -> str:
    """An error as a sentence; for unexpected errors, with how to see the traceback."""
    if type(error).__module__.startswith(OWN_MODULES) or isinstance(error, OSError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (missing := explain_missing_package(error)):
        return missing
    command = " ".join([name, *sys.argv[1:]])
    return (
        f"unexpected {type(error).__name__} in '{command}': {error}; is one of its files damaged? "
        f"Set {TRACEBACK}=1 to see where it happened"
    )
