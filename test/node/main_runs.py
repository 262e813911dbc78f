"""Runs of the node's program, several in one process, that end by themselves."""

import json
import os
import re
import subprocess
import sys

from node.robot import TIMEOUT_S

RUN_MAINS = """
import json, sys
from rs_denoise.node.main import main

for arguments in json.loads(sys.argv[1]):
    try:
        code = main(["denoise_node", *arguments])
    except SystemExit as ended:
        code = ended.code
    print("exit code", code, flush=True)
    print("exit code", code, file=sys.stderr, flush=True)
"""


def run_mains(cases: list[list[str]], program: str = RUN_MAINS) -> list[tuple[int, str]]:
    """Runs the node's program with each list of arguments, one after the other in one process.

    To start a process takes seconds, most of them for importing PyTorch.

    Returns:
        Of each run its exit code, and what it wrote.
    """
    process = subprocess.run(
        [sys.executable, "-c", program, json.dumps(cases)], capture_output=True, text=True,
        timeout=2 * TIMEOUT_S, check=False, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    outputs = [re.split(r"exit code (\d+)\n", text) for text in (process.stdout, process.stderr)]
    assert all(len(parts) == 2 * len(cases) + 1 for parts in outputs), process.stderr
    codes = [int(code) for code in outputs[0][1::2]]
    texts = ["".join(part) for part in zip(*(parts[::2] for parts in outputs), strict=True)]
    return list(zip(codes, texts[:-1], strict=True))
