import os
import subprocess
import sys

import pytest

PRINT_THREADS = """
import torch
from rs_denoise.idle_cores import count_busy_cores, use_idle_cores
use_idle_cores()
print(torch.get_num_threads(), count_busy_cores(1.0))
"""


@pytest.fixture
def busy_core():
    """A core of this process that another program uses, alone if it can; its number."""
    core = min(os.sched_getaffinity(0))
    program = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program, str(core)]) as process:
        yield core
        process.kill()


def run(cores, **environment):
    """Threads that PyTorch uses, and busy cores, of a program on these cores."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    out = subprocess.run(
        [sys.executable, "-c", PRINT_THREADS],
        env=clean | environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=True,
    )
    threads, busy = out.stdout.split()
    return int(threads), float(busy)


def test_a_busy_core_is_left_to_the_program_that_uses_it(busy_core):
    cores = os.sched_getaffinity(0)
    threads, busy = run(cores)
    assert busy > 0.8 and 1 <= threads < max(len(cores), 2)


def test_only_cores_that_this_process_may_use_count(busy_core):
    assert run({busy_core}) == (1, pytest.approx(1.0, abs=0.2))


def test_a_number_of_threads_that_the_user_has_set_is_kept(busy_core):
    threads, _ = run(os.sched_getaffinity(0), OMP_NUM_THREADS="2")
    assert threads == 2
