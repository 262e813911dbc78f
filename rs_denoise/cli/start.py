"""Starts the programs and reports missing packages. Imports only the standard library."""

from __future__ import annotations

import sys
from importlib import import_module

from rs_denoise.missing_package import explain_missing_package


def rs_denoise() -> None:
    """Starts `rs_denoise`."""
    _start("rs_denoise", "rs_denoise.cli.main")


def autoencoder() -> None:
    """Starts `autoencoder`."""
    _start("autoencoder", "rs_denoise.cli.autoencoder")


def _start(name: str, module: str) -> None:
    try:
        main = import_module(module).main
    except ModuleNotFoundError as error:
        missing = explain_missing_package(error)
        if missing is None:
            raise
        print(f"{name}: {missing}", file=sys.stderr)
        sys.exit(2)
    main()
