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
PRINT_THREADS_AND_TIMES = """
import time, torch
from rs_denoise.idle_cores import use_idle_cores
for _ in range(2):
    start = time.monotonic()
    use_idle_cores()
    print(torch.get_num_threads(), time.monotonic() - start)
"""
LOAD = """
import torch
from rs_denoise import Model
torch.set_num_threads(2)
{load}("unet-tiny", "cpu", "float32")
print(torch.get_num_threads())
"""
PREPARE_NODE = """
import torch
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
settings = NetworkSettings("unet-tiny", "cpu", num_threads=2, concurrent_frames=1)
print(SharedResources().prepare(settings).workers.run(torch.get_num_threads))
"""


@pytest.fixture
def busy_core():
    """A core of this process that another program uses, alone if it can; its number."""
    core = min(os.sched_getaffinity(0))
    program = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program, str(core)]) as process:
        yield core
        process.kill()


def run(program, cores, **environment):
    """The numbers that a program prints that may use these cores."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    out = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(number) for number in out.stdout.split()]


def test_a_busy_core_is_left_to_the_program_that_uses_it(busy_core):
    cores = os.sched_getaffinity(0)
    threads, busy = run(PRINT_THREADS, cores)
    assert busy > 0.8 and 1 <= threads < max(len(cores), 2)


def test_only_cores_that_this_process_may_use_count(busy_core):
    assert run(PRINT_THREADS, {busy_core}) == [1, pytest.approx(1.0, abs=0.2)]


def test_a_number_of_threads_that_the_user_has_set_is_kept(busy_core):
    threads, _ = run(PRINT_THREADS, os.sched_getaffinity(0), OMP_NUM_THREADS="2")
    assert threads == 2


def test_the_number_of_threads_is_never_raised():
    program = f"import torch; torch.set_num_threads(1){PRINT_THREADS}"
    assert run(program, os.sched_getaffinity(0))[0] == 1


def test_a_process_measures_once():
    threads, first_s, again, second_s = run(PRINT_THREADS_AND_TIMES, os.sched_getaffinity(0))
    assert again == threads and first_s > 0.2 > 0.1 > second_s


def test_a_model_is_loaded_for_the_idle_cores_unless_its_caller_sets_the_threads(busy_core):
    two = set(sorted(os.sched_getaffinity(0))[:2])
    assert run(LOAD.format(load="Model.load"), two) == [1]
    assert run(LOAD.format(load="Model"), two) == [2]


def test_the_node_uses_the_threads_of_its_parameter(busy_core):
    assert run(PREPARE_NODE, set(sorted(os.sched_getaffinity(0))[:2])) == [2]
