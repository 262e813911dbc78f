"""Runs a program of this package in the process of the test.

A process of its own would import PyTorch first, which takes seconds of a core. `run_as_process`
starts one all the same: each program is started so by a test or two.
"""

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

import pytest


def run_in_process(main: Callable[[], None], *arguments) -> subprocess.CompletedProcess:
    """What `main()` of a program ends with and prints, given these arguments."""
    command = [main.__module__, *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            main()
    return subprocess.CompletedProcess(command, end.value.code or 0, out.getvalue(), err.getvalue())


def words(ended: subprocess.CompletedProcess) -> str:
    """What a program printed, wherever its lines were broken."""
    return " ".join(ended.stdout.split())


def run_as_process(main: Callable[[], None], *arguments, **options) -> subprocess.CompletedProcess:
    """The same in a process of its own.

    Args:
        options: as of `subprocess.run`.
    """
    command = [sys.executable, "-m", main.__module__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
